// What commands say: the result on stdout, everything else on stderr. The only place that knows whether people or programs read.
import type { MlxError } from '../errors.js';

/** One thing that happened during long work. JSON readers get the object, people get the line (if there is one). */
export type ProgressEvent = { event: string } & Record<string, unknown>;

export type Output = {
  json: boolean;
  /** stderr is a terminal, and neither CI nor --json: Ink and prompts may be used. */
  interactive: boolean;
  /** Of the terminal that shows the result, 80 when it does not say; Infinity in a pipe or a file, where nothing has to be left out. */
  columns: number;
  /** Long work: one JSON object a line on stdout with --json, else the line on stderr. */
  progress: (event: ProgressEvent, line?: string) => void;
  /**
   * How things stand, while something is looked at again and again: on a terminal one line that is rewritten, else now and then a line,
   * where what it says (`said`: without the time) has changed. With --json every event.
   */
  tick: (event: ProgressEvent, line: string, said: string) => void;
  /** For people alone, on stderr: a hint, a note, a section title. */
  note: (line: string) => void;
  /** Streamed text for people on stdout (chat, logs); with --json an event `text`. */
  stream: (text: string) => void;
  /** The last thing on stdout: exactly one JSON document, or the text of `render`, broken at words on a terminal unless it is `verbatim`. */
  result: <Value>(value: Value, render: (value: Value) => string, verbatim?: boolean) => void;
  error: (error: MlxError) => void;
  /** Throws PROMPT_NEEDS_TERMINAL naming --yes when nobody can answer. */
  confirm: (question: string) => Promise<boolean>;
};

/** What a command returns: main.ts prints it and exits with the status. */
export type Outcome = { value: unknown; render: () => string; exitStatus: number; verbatim?: boolean };

export function outcome<Value>(value: Value, render: (value: Value) => string, exitStatus = 0): Outcome {
  return { value, render: () => render(value), exitStatus };
}

/** Text that is not ours to break, as a file's: it is printed as it is on a terminal, too. */
export function verbatim<Value>(value: Value, render: (value: Value) => string): Outcome {
  return { ...outcome(value, render), verbatim: true };
}
