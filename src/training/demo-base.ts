// The demo's base model: made on this machine by make_base.py, and named by what decides its bytes.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { z } from 'zod';

import { packageRoot } from '../config/paths.js';
import { scriptsOf } from './scripts.js';

export const demoRepository = 'mlx/demo-base';

/** A hash of make_base.py, of the scripts that it imports, and of the locked packages. */
export function demoRevision(): string {
  const root = packageRoot();
  const hash = createHash('sha256');
  for (const script of scriptsOf(join(root, 'recipes', 'trainer'), 'make_base.py')) hash.update(readFileSync(script));
  hash.update(readFileSync(join(root, 'recipes', 'requirements', 'trainer.txt')));
  return hash.digest('hex').slice(0, 40);
}

const makeEventSchema = z.discriminatedUnion('event', [
  z.object({ event: z.literal('step'), step: z.number(), total_steps: z.number(), loss: z.number() }),
  z.object({ event: z.literal('result') }),
  z.object({ event: z.literal('error'), code: z.string(), message: z.string() }),
]);

export type MakeEvent = z.infer<typeof makeEventSchema>;

/** @returns undefined for a line that is none of the events that matter here */
export function parseMakeEvent(line: string): MakeEvent | undefined {
  try {
    return makeEventSchema.safeParse(JSON.parse(line)).data;
  } catch {
    return undefined;
  }
}
