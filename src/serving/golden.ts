// Golden prompts: questions of evals/golden.jsonl whose answers a version must get right before it gets real requests.
// `{"messages": [...], "equals": "billing"}`, or `contains`, with `max_ms` for the whole answer and `model` where there are several.
import { existsSync, readFileSync } from 'node:fs';

import { z } from 'zod';

import { MlxError, type Problem } from '../errors.js';

export type GoldenPrompt = {
  line: number;
  messages: { role: string; content: string }[];
  equals: string | undefined;
  contains: string | undefined;
  maxMs: number | undefined;
};

const rowSchema = z.strictObject({
  model: z.string().optional(),
  messages: z.array(z.strictObject({ role: z.string(), content: z.string() })).min(1),
  equals: z.string().optional(),
  contains: z.string().optional(),
  max_ms: z.number().positive().optional(),
});

/** Those of this model, in their order; none where there is no such file. @throws MlxError DATA_INVALID with every problem */
export function readGolden(file: string, model: string): GoldenPrompt[] {
  if (!existsSync(file)) return [];
  const problems: Problem[] = [];
  const rows = readFileSync(file, 'utf8')
    .split('\n')
    .map((text, index) => ({ text, line: index + 1 }))
    .filter(({ text }) => text.trim() !== '')
    .flatMap(({ text, line }) => {
      const row = rowSchema.safeParse(parseJson(text));
      if (row.success) return [{ line, ...row.data }];
      const [issue] = row.error.issues;
      problems.push({
        file,
        line,
        path: issue?.path.join('.') ?? '',
        message: issue?.message ?? 'is no golden prompt',
      });
      return [];
    });
  if (problems.length > 0)
    throw new MlxError('DATA_INVALID', `${file} holds lines that are no golden prompts.`, { problems });
  return rows
    .filter((row) => row.model === undefined || row.model === model)
    .map(({ line, messages, equals, contains, max_ms: maxMs }) => ({ line, messages, equals, contains, maxMs }));
}

/** @returns what is wrong with the answer, without a word of it: that is kept with the release. Pure. */
export function judgeGolden(golden: GoldenPrompt, answer: string, durationMs: number): string | undefined {
  const { equals, contains, maxMs } = golden;
  if (equals !== undefined && answer.trim() !== equals.trim()) return "the answer is not what 'equals' says";
  if (contains !== undefined && !answer.includes(contains)) return "the answer lacks what 'contains' says";
  if (maxMs !== undefined && durationMs > maxMs)
    return `the answer took ${Math.round(durationMs)} ms, more than ${maxMs}`;
  return answer.trim() === '' ? 'the answer is empty' : undefined;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
