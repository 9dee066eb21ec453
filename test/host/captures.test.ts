// Captured traffic when its writers are killed and when the disk is full, read by two implementations of Parquet.
import { execFile, spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';

import { build } from 'tsdown';
import { beforeAll, expect, onTestFinished, test } from 'vitest';

import { homePaths, packageRoot } from '../../src/config/paths.js';
import { ensureVenv } from '../../src/engine/host/venvs.js';
import { journalFile, rotateCaptures } from '../../src/capture/store.js';
import { openCaptureJournal } from '../../src/ledger/captures.js';
import { allRows } from '../unit/capture/example.js';
import { testEnvironment } from './project.js';

const bundle = join(packageRoot(), 'node_modules', '.cache', 'mlx-host-test');
const writer = join(bundle, 'capture-writer.mjs');
const kills = 20;

let python = '';

beforeAll(async () => {
  await build({
    ...{ entry: { 'capture-writer': join(import.meta.dirname, 'capture-writer.ts') }, outDir: bundle, clean: false },
    ...{ config: false, format: 'esm', platform: 'node', dts: false, logLevel: 'silent' },
  });
  const environment = testEnvironment(tmpdir());
  // MLflow's environment has pyarrow.
  const signal = new AbortController().signal;
  ({ python } = await ensureVenv('mlflow', homePaths(environment), environment, () => undefined, signal));
});

function scratch(): string {
  const folder = mkdtempSync(join(tmpdir(), 'mlx-captures-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return join(folder, 'captures');
}

/** Killed at a random moment after its first row. @returns what it had said by then */
async function writeAndDie(folder: string, name: string): Promise<string[]> {
  const child = spawn(process.execPath, [writer, folder, name], { stdio: ['ignore', 'pipe', 'inherit'] });
  const lines: string[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    lines.push(line);
    if (lines.length === 1) setTimeout(() => child.kill('SIGKILL'), Math.random() * 250);
  }
  return lines;
}

function kept(lines: readonly string[]): string[] {
  return lines.flatMap((line) => (line.startsWith('kept ') ? [line.slice('kept '.length)] : []));
}

/** Every visible file, by an implementation that is not the one that wrote it. */
async function idsByPyarrow(folder: string): Promise<string[]> {
  const program = [
    'import glob, json, sys',
    'import pyarrow.parquet as parquet',
    'files = sorted(glob.glob(sys.argv[1] + "/*.parquet"))',
    'tables = [parquet.read_table(file) for file in files]',
    'assert all(str(table.schema.field("started_at").type).startswith("timestamp") for table in tables)',
    'print(json.dumps([row for table in tables for row in table.column("request_id").to_pylist()]))',
  ].join('\n');
  const { stdout } = await promisify(execFile)(python, ['-c', program, folder], { maxBuffer: 64 * 1024 * 1024 });
  return JSON.parse(stdout) as string[];
}

async function moveAll(folder: string): Promise<void> {
  const journal = openCaptureJournal(journalFile(folder));
  expect(await rotateCaptures(folder, journal, Date.now(), true)).toBe(true);
  journal.close();
}

test(`nothing that was acknowledged is lost or doubled when two writers are killed ${kills} times`, async () => {
  const folder = scratch();
  const acknowledged: string[] = [];
  for (let life = 0; life < kills / 2; life += 1) {
    const lives = await Promise.all([writeAndDie(folder, `a${life}`), writeAndDie(folder, `b${life}`)]);
    acknowledged.push(...lives.flatMap(kept));
    // As it lies there after the kill, before anybody repairs anything.
    const seen = (await allRows(folder)).map(({ requestId }) => requestId);
    expect(new Set(seen).size).toBe(seen.length);
    expect(acknowledged.filter((id) => !seen.includes(id))).toEqual([]);
    await idsByPyarrow(folder);
  }
  expect(acknowledged.length).toBeGreaterThan(kills);
  await moveAll(folder);
  const ids = (await allRows(folder)).map(({ requestId }) => requestId);
  expect((await idsByPyarrow(folder)).sort()).toEqual(ids.sort());
  expect(new Set(ids).size).toBe(ids.length);
  // A row may have been written in the moment before it could be acknowledged: at most one a life.
  const unknown = ids.filter((id) => !acknowledged.includes(id));
  expect(unknown.length).toBeLessThanOrEqual(kills);
  expect(readdirSync(folder).filter((name) => name.endsWith('.partial'))).toEqual([]);
});

const smallDisk = (folder: string): string[] => [
  '-rm',
  'sh',
  '-c',
  `mount -t tmpfs -o size=1m tmpfs ${folder} && exec "$@"`,
  'sh',
];
const canMount = spawnSync('unshare', [...smallDisk('/mnt'), 'true'], { stdio: 'ignore' }).status === 0;

test.skipIf(!canMount)(
  `a full disk refuses rows and leaves no half of a file${canMount ? '' : ' (skipped: no file system can be mounted here)'}`,
  async () => {
    const folder = scratch();
    mkdirSync(folder, { recursive: true });
    const copy = `${folder}-after`;
    // The disk is gone with its writer: what lay on it is copied first.
    const script = `"$0" "$1" "$2" full | { n=0; while read line; do echo "$line"; [ "$line" = refused ] && n=$((n+1)); [ $n -ge 30 ] && break; done; }; cp -r "$2" "$3"`;
    const argv = [...smallDisk(folder), 'sh', '-c', script, process.execPath, writer, folder, copy];
    const { stdout } = await promisify(execFile)('unshare', argv);
    const lines = stdout.trim().split('\n');
    expect(lines.filter((line) => line === 'refused')).toHaveLength(30);
    const acknowledged = kept(lines);
    expect(acknowledged.length).toBeGreaterThan(5);
    const seen = (await allRows(copy)).map(({ requestId }) => requestId);
    expect(acknowledged.filter((id) => !seen.includes(id))).toEqual([]);
    expect(new Set(seen).size).toBe(seen.length);
    await idsByPyarrow(copy);
    await moveAll(copy);
    expect((await idsByPyarrow(copy)).sort()).toEqual(seen.sort());
  },
);
