// What runs, written down: one small JSON file a job, model server or service, in .mlx/run. Its owner says whether it still runs.
import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

import { z } from 'zod';

import { writeWhole } from '../../config/whole-file.js';
import { errorCode } from '../../errors.js';

export const jobRecord = z.object({ id: z.string(), owner: z.string() });
export const serverRecord = z.object({
  id: z.string(),
  owner: z.string(),
  model: z.string(),
  version: z.number(),
  digest: z.string(),
  socket: z.string(),
  venv: z.string(),
  startedAtMs: z.number(),
});
export const serviceRecord = z.object({
  name: z.string(),
  owner: z.string(),
  port: z.number(),
  dataFolder: z.string(),
  venv: z.string(),
  startedAtMs: z.number(),
});

export type ServerRecord = z.infer<typeof serverRecord>;
export type ServiceRecord = z.infer<typeof serviceRecord>;

/** Readers see the old record or the new one. It need not survive a power cut: neither does what it names. */
export function writeRecord<Shape extends { owner: string }>(file: string, record: Shape): void {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  writeWhole(file, JSON.stringify(record));
}

/** @returns undefined when there is none, or none that this mlx understands */
export function readRecord<Shape>(file: string, schema: z.ZodType<Shape>): Shape | undefined {
  try {
    return schema.safeParse(JSON.parse(readFileSync(file, 'utf8'))).data;
  } catch (error) {
    if (errorCode(error) === 'ENOENT' || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

export function readRecords<Shape>(folder: string, schema: z.ZodType<Shape>): Shape[] {
  return recordNames(folder)
    .map((name) => readRecord(join(folder, `${name}.json`), schema))
    .filter((record) => record !== undefined);
}

export function removeRecord(file: string): void {
  rmSync(file, { force: true });
}

function recordNames(folder: string): string[] {
  try {
    return readdirSync(folder)
      .filter((name) => name.endsWith('.json'))
      .map((name) => basename(name, '.json'))
      .sort();
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return [];
    throw error;
  }
}
