// Reads a person's lines one by one, and hears Ctrl-C without ending the program.
import { createInterface } from 'node:readline';

export type Conversation = {
  /** undefined at the end of the input, or when the person left. */
  nextLine: (prompt: string) => Promise<string | undefined>;
  /** Called at Ctrl-C instead of ending; the last one set counts. */
  onInterrupt: (action: () => void) => void;
  close: () => void;
};

/** On a terminal with line editing; else the lines of the input, without prompts. */
export function openConversation(): Conversation {
  const terminal = process.stdin.isTTY && process.stderr.isTTY;
  const reader = createInterface({ input: process.stdin, ...(terminal ? { output: process.stderr } : {}), terminal });
  const lines = reader[Symbol.asyncIterator]();
  let interrupt = (): void => reader.close();
  reader.on('SIGINT', () => interrupt());
  return {
    nextLine: async (prompt) => {
      reader.setPrompt(terminal ? prompt : '');
      if (terminal) reader.prompt();
      const next = await lines.next();
      return next.done === true ? undefined : next.value;
    },
    onInterrupt: (action) => {
      interrupt = action;
    },
    close: () => reader.close(),
  };
}
