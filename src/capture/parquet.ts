// Captured rows as a Parquet file: written beside its place, synced, renamed. A file that can be seen is whole.
import { open, readdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';

import { MlxError } from '../errors.js';
import { readRows } from '../dataset/read.js';
import { captureSchema, columns, type CaptureRow } from './row.js';

/** Encoding a group takes a few milliseconds of a process that also answers requests. */
const groupRows = 64;
const partialEnding = '.partial';

/** Only for who holds the lock: the name of the unwritten file is known. */
export async function writeParquet(file: string, rows: readonly CaptureRow[]): Promise<void> {
  const partial = `${file}${partialEnding}`;
  try {
    const descriptor = await open(partial, 'w', 0o600);
    try {
      await descriptor.writeFile(await encoded(rows));
      await descriptor.sync();
    } finally {
      await descriptor.close();
    }
    await rename(partial, file);
  } catch (error) {
    await rm(partial, { force: true });
    throw error;
  }
  await syncFolder(dirname(file));
}

/** @throws MlxError CAPTURE_UNREADABLE */
export async function* readParquet(file: string): AsyncGenerator<CaptureRow> {
  for await (const source of readRows({ path: file, shown: file, format: 'parquet' })) {
    const row = captureSchema.safeParse('value' in source ? named(source.value) : undefined);
    if (!row.success) {
      throw new MlxError('CAPTURE_UNREADABLE', `${file} cannot be read as captured traffic.`, {
        cause: row.error,
        hint: 'Somebody changed it: move it out of .mlx/captures, then run the command again.',
      });
    }
    yield row.data;
  }
}

/** What a process left that was killed while it wrote. Only for who holds the lock. */
export async function removePartials(folder: string): Promise<void> {
  const partials = (await readdir(folder)).filter((name) => name.endsWith(partialEnding));
  await Promise.all(partials.map((name) => rm(join(folder, name), { force: true })));
}

/** Oldest first. A half-written one has another ending. */
export async function parquetFiles(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch(() => []);
  return names
    .filter((name) => name.endsWith('.parquet'))
    .sort()
    .map((name) => join(folder, name));
}

async function encoded(rows: readonly CaptureRow[]): Promise<Uint8Array> {
  const { ByteWriter, ParquetWriter, schemaFromColumnData } = await import('hyparquet-writer');
  const writer = new ByteWriter();
  const schema = schemaFromColumnData({ columnData: columnsOf([]) });
  const parquet = new ParquetWriter({ writer, schema, createdBy: 'mlx' });
  for (let from = 0; from < rows.length; from += groupRows) {
    await parquet.write({ columnData: columnsOf(rows.slice(from, from + groupRows)) });
    await nextTurn();
  }
  await parquet.finish();
  return new Uint8Array(writer.getBuffer());
}

function columnsOf(rows: readonly CaptureRow[]) {
  return columns.map(({ field, name, type }) => ({ name, type, data: rows.map((row) => stored(row[field], type)) }));
}

function stored(value: CaptureRow[keyof CaptureRow], type: string): unknown {
  if (value === null) return undefined;
  if (type === 'TIMESTAMP') return new Date(value);
  return type === 'INT64' ? BigInt(value) : value;
}

/** As JavaScript has them: no bigint, no Date, null where there is nothing. */
function named(value: unknown): unknown {
  const found = value as Record<string, unknown>;
  return Object.fromEntries(columns.map(({ field, name }) => [field, plain(found[name])]));
}

function plain(value: unknown): unknown {
  if (typeof value === 'bigint') return Number(value);
  return value instanceof Date ? value.getTime() : (value ?? null);
}

async function syncFolder(folder: string): Promise<void> {
  const descriptor = await open(folder, 'r');
  try {
    await descriptor.sync();
  } finally {
    await descriptor.close();
  }
}
