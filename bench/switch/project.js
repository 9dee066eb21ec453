// A project as a user has it, with versions whose servers are stand-ins (model-server.js): the switch is measured, not a model.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { recordParams } from '../../dist/ledger-metrics.js';
import { openLedger } from '../../dist/ledger-open.js';
import { insertRun, updateRun } from '../../dist/ledger-runs.js';
import { homePaths } from '../../dist/paths.js';
import { venvFolder } from '../../dist/venvs.js';
import { freePort } from '../free-port.js';
import { mlx, root, runMlx } from '../mlx.js';

const base = { repository: 'stand-in/base', commit: 'c0ffee' };

/** @param versions an adapter_config.json each, counted from 1 @returns {Promise<{port, key, ledgerFile, run, runSync, stop}>} */
export async function makeProject(folder, versions) {
  const project = join(folder, 'project');
  const home = join(folder, 'home');
  const environment = { ...process.env, MLX_HOME: home, NODE_OPTIONS: '' };
  const port = await freePort();
  mkdirSync(project, { recursive: true });
  writeFileSync(
    join(project, 'mlx.yaml'),
    `engine: host\ngateway: { port: ${port} }\nmlflow: { enabled: false }\nserving: { keep_warm_s: 3600 }\n`,
  );
  makeHome(home);
  const runSync = (...words) => runMlx(words, environment, project).trim();
  for (const [index, adapter] of versions.entries()) {
    addRun(project, index + 1, adapter);
    runSync('package', `run-${index + 1}`);
  }
  const ledgerFile = join(project, '.mlx', 'ledger.db');
  const run = (...words) => runCommand(words, project, environment);
  return { port, key: runSync('gateway', 'key'), ledgerFile, run, runSync, stop: () => runSync('down') };
}

/** Beside the load, in the same process: the event loop must not stand still. */
async function runCommand(words, project, environment) {
  const begunAtMs = Date.now();
  const child = spawn(process.execPath, [mlx, ...words, '--json'], { cwd: project, env: environment });
  let text = '';
  child.stdout.on('data', (part) => (text += part));
  const [status] = await once(child, 'close');
  const value = JSON.parse(text.trimEnd().split('\n').at(-1));
  if (status !== 0) throw new Error(`mlx ${words.join(' ')}: ${JSON.stringify(value)}`);
  return { value, begunAtMs, endedAtMs: Date.now() };
}

/** The environment and the base model that the host engine looks for; whichever Python it finds. */
function makeHome(home) {
  const lock = readFileSync(join(root, 'recipes', 'requirements', 'trainer.txt'), 'utf8');
  for (const series of ['3.11', '3.12', '3.13']) {
    const bin = join(venvFolder(homePaths({ MLX_HOME: home }), 'trainer', lock, series), 'bin');
    mkdirSync(bin, { recursive: true });
    const server = fileURLToPath(new URL('model-server.js', import.meta.url));
    writeFileSync(join(bin, 'python'), `#!/bin/sh\nexec "${process.execPath}" "${server}" "$@"\n`);
    chmodSync(join(bin, 'python'), 0o755);
  }
  const folder = join(home, 'models', base.repository, base.commit);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'config.json'), '{}');
  const { size, mtimeMs } = statSync(join(folder, 'config.json'));
  const files = [{ path: 'config.json', size, sha256: '0', mtime_ms: Math.floor(mtimeMs) }];
  const manifest = { schema: 1, ...base, source: 'made on this machine', files };
  writeFileSync(join(folder, 'mlx-manifest.json'), JSON.stringify(manifest));
}

function addRun(project, version, adapter) {
  const id = `run-${version}`;
  const folder = join(project, '.mlx', 'runs', id);
  mkdirSync(join(folder, 'out', 'adapter'), { recursive: true });
  writeFileSync(join(folder, 'out', 'adapter', 'adapter_config.json'), JSON.stringify({ ...adapter, version }));
  writeFileSync(join(folder, 'out', 'adapter', 'adapter_model.safetensors'), emptyWeights(id));
  const serving = { max_model_len: 512, gpu_memory_utilization: 0.5 };
  writeFileSync(join(folder, 'recipe.json'), JSON.stringify({ lora: { r: 8 }, serving }));
  const ledger = openLedger(join(project, '.mlx', 'ledger.db'));
  const from = { baseModel: base.repository, baseCommit: base.commit };
  const fixed = { recipe: 'tickets', recipeFile: 'recipes/tickets.yaml', method: 'lora', seed: 1, engine: 'host' };
  insertRun(ledger, { id, ...fixed, ...from, owner: null, startedAtMs: 1 });
  recordParams(ledger, id, { model: 'tickets' });
  updateRun(ledger, id, { state: 'finished', endedAtMs: 2 });
  ledger.close();
}

/** The smallest whole safetensors file: a header with one note, and no tensor. */
function emptyWeights(note) {
  const header = Buffer.from(JSON.stringify({ __metadata__: { note } }));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  return Buffer.concat([length, header]);
}
