// `mlx package` where a disk is really full: a small file system is mounted where the image, its draft or the lock is written.
import { execFile, spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll, beforeAll, expect, test } from 'vitest';

import { packageRoot } from '../../src/config/paths.js';
import { recordParams } from '../../src/ledger/metrics.js';
import { openLedger } from '../../src/ledger/open.js';
import { insertRun, updateRun } from '../../src/ledger/runs.js';
import { listVersions } from '../../src/ledger/versions.js';
import { runFolder } from '../../src/training/run-folder.js';
import { tinyWeights } from '../unit/training/examples.js';
import { keptProject } from './project.js';

const id = 'tickets-aaa001';
/** More than the small disk holds. */
const adapterBytes = 3 * 2 ** 20;

const onSmallDisk = (folder: string, size: string): string[] => [
  ...['-rm', 'sh', '-c'],
  ...[`mount -t tmpfs -o size=${size} tmpfs ${folder} && exec "$@"`, 'sh'],
];
const canMount = spawnSync('unshare', [...onSmallDisk('/mnt', '1m'), 'true'], { stdio: 'ignore' }).status === 0;
const why = canMount ? '' : ' (skipped: no file system can be mounted here)';

let project: ReturnType<typeof keptProject>;

beforeAll(() => {
  project = keptProject({ 'mlx.yaml': 'engine: host\nmlflow: { enabled: false }\n' });
  const folder = runFolder(project.paths.runs, id);
  mkdirSync(folder.adapter, { recursive: true });
  writeFileSync(join(folder.adapter, 'adapter_model.safetensors'), tinyWeights(id));
  writeFileSync(join(folder.adapter, 'adapter_config.json'), '{"r":16}');
  writeFileSync(join(folder.adapter, 'tokenizer.json'), Buffer.alloc(adapterBytes, 'x'));
  writeFileSync(folder.recipe, '{"lora":{"r":8},"serving":{"max_model_len":512,"gpu_memory_utilization":0.5}}');
  const ledger = openLedger(project.paths.ledgerFile);
  const from = { baseModel: 'mlx/demo-base', baseCommit: 'c0ffee' };
  const fixed = { recipe: 'tickets', recipeFile: 'r', method: 'lora', seed: 1, engine: 'host' as const };
  insertRun(ledger, { id, ...fixed, ...from, owner: null, startedAtMs: 1 });
  recordParams(ledger, id, { model: 'tickets' });
  updateRun(ledger, id, { state: 'finished', endedAtMs: 2 });
  ledger.close();
});

afterAll(() => project.remove());

/** In a namespace of its own, where the folder is a small disk. */
async function packageOn(folder: string, size: string): Promise<{ status: number | null; text: string }> {
  const temporary = join(project.folder, 'temporary');
  for (const each of [folder, temporary]) mkdirSync(each, { recursive: true });
  const program = [process.execPath, join(packageRoot(), 'bin', 'mlx.js'), 'package', id, '--project', project.folder];
  const environment = { ...project.environment, TMPDIR: temporary };
  return new Promise((resolve) => {
    const argv = [...onSmallDisk(folder, size), ...program];
    execFile('unshare', argv, { env: environment }, (error, stdout, stderr) => {
      resolve({ status: error === null ? 0 : Number(error.code), text: stdout + stderr });
    });
  });
}

test.skipIf(!canMount).each([
  { what: 'the images', folder: () => project.paths.images, size: '1m' },
  { what: 'the draft of the image', folder: () => join(project.folder, 'temporary'), size: '4k' },
])(`a full disk of $what is told as one, and no version is made${why}`, async ({ folder, size }) => {
  const { status, text } = await packageOn(folder(), size);
  expect(text).toContain('DISK_FULL');
  expect(text).not.toMatch(/at .*\.js:\d+/);
  expect(status).toBe(3);
  const ledger = openLedger(project.paths.ledgerFile);
  expect(listVersions(ledger)).toEqual([]);
  ledger.close();
  expect(readdirSync(join(project.folder, 'temporary'))).toEqual([]);
});

test('the next call, with room, makes the version', async () => {
  const { status, text } = await packageOn(join(project.folder, 'unused'), '1m');
  expect([status, text]).toEqual([0, expect.stringContaining('tickets:1 is a model version now')]);
  const names = JSON.stringify(readdirSync(project.paths.images, { recursive: true }));
  expect(names).not.toContain('.partial');
  expect(readFileSync(join(project.paths.images, 'index.json'), 'utf8')).toContain('mlx/tickets:v1');
});
