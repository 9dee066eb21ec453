// The prompt that a new model server must answer before it gets real ones.
import { createReadStream, existsSync } from 'node:fs';
import { createInterface } from 'node:readline';

import { z } from 'zod';

export type ReadinessPrompt = { messages: { role: string; content: string }[]; heldOut: boolean };

const rowSchema = z.object({
  prompt: z.array(z.object({ role: z.string(), content: z.string() })).min(1),
});

const neutral: ReadinessPrompt = {
  messages: [{ role: 'user', content: 'Hello! Please answer with one short sentence.' }],
  heldOut: false,
};

/** The first held-out rows of the run: of the kind that the model was made for. A neutral question where the rows are gone. */
export async function readinessPrompts(
  heldOutFile: string,
  atMost: number,
): Promise<[ReadinessPrompt, ...ReadinessPrompt[]]> {
  if (!existsSync(heldOutFile)) return [neutral];
  const rows = (await firstLines(heldOutFile, atMost)).map((line) => rowSchema.safeParse(parseJson(line)));
  const prompts = rows.flatMap(({ data }) => (data ? [{ messages: data.prompt, heldOut: true }] : []));
  const [first, ...others] = prompts;
  return first ? [first, ...others] : [neutral];
}

async function firstLines(file: string, atMost: number): Promise<string[]> {
  const stream = createReadStream(file);
  const lines: string[] = [];
  try {
    for await (const line of createInterface({ input: stream, crlfDelay: Infinity })) {
      if (lines.push(line) === atMost) break;
    }
    return lines;
  } finally {
    stream.destroy();
  }
}

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
