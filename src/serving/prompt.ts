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

/** The first held-out row of the run: of the kind that the model was made for. A neutral one where the rows are gone. */
export async function readinessPrompt(heldOutFile: string): Promise<ReadinessPrompt> {
  if (!existsSync(heldOutFile)) return neutral;
  const line = await firstLine(heldOutFile);
  const row = rowSchema.safeParse(parseJson(line));
  return row.success ? { messages: row.data.prompt, heldOut: true } : neutral;
}

async function firstLine(file: string): Promise<string> {
  const stream = createReadStream(file);
  try {
    for await (const line of createInterface({ input: stream, crlfDelay: Infinity })) return line;
    return '';
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
