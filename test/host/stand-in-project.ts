// A project whose model servers are stand-ins, processes of the real host engine that cost next to nothing: for what real servers cannot be
// made to do, and for many switches in little time. Everything else is what a user has.
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { homePaths, packageRoot } from '../../src/config/paths.js';
import { loadConfig } from '../../src/config/load.js';
import type { Engine } from '../../src/engine/engine.js';
import { openHostEngine } from '../../src/engine/host/engine.js';
import { findPython } from '../../src/engine/host/python.js';
import { venvFolder } from '../../src/engine/host/venvs.js';
import { freePort } from '../../src/engine/port.js';
import { openLedger } from '../../src/ledger/open.js';
import { insertRun, updateRun } from '../../src/ledger/runs.js';
import { insertVersion } from '../../src/ledger/versions.js';
import { commitFolder, describeFiles, manifestName, writeManifest } from '../../src/training/model-store.js';
import { keptProject, type Project } from './project.js';

export type StandInProject = Project & { port: number; engine: Engine; remove: () => void };

const base = { repository: 'stand-in/base', commit: 'c0ffee' };

/** A model `tickets` with a version for each behaviour (bench/switch/model-server.js), counted from 1. */
export async function standInProject(behaviours: readonly string[], serving = ''): Promise<StandInProject> {
  const port = await freePort();
  const settings = `engine: host\ngateway: { port: ${port} }\nmlflow: { enabled: false }\n${serving}\n`;
  const project = keptProject({ 'mlx.yaml': settings });
  const home = mkdtempSync(join(tmpdir(), 'mlx-home-'));
  project.environment['MLX_HOME'] = home;
  const paths = { ...project.paths, ...homePaths(project.environment) };
  await makeInterpreter(home, project.environment);
  await addBase(paths.models);
  const config = await loadConfig(paths, project.environment);
  const engine = await openHostEngine({ paths, config, environment: project.environment });
  for (const [index, behaviour] of behaviours.entries()) await addVersion(project, engine, index + 1, behaviour);
  const remove = (): void => {
    project.remove();
    rmSync(home, { recursive: true, force: true });
  };
  return { ...project, paths, port, engine, remove };
}

/** Where the host engine looks for the Python of its model servers. */
async function makeInterpreter(home: string, environment: NodeJS.ProcessEnv): Promise<void> {
  const lock = readFileSync(join(packageRoot(), 'recipes', 'requirements', 'trainer.txt'), 'utf8');
  const { version } = await findPython(environment);
  const bin = join(venvFolder(homePaths({ MLX_HOME: home }), 'trainer', lock, version), 'bin');
  const server = join(packageRoot(), 'bench', 'switch', 'model-server.js');
  mkdirSync(bin, { recursive: true });
  writeFileSync(join(bin, 'python'), `#!/bin/sh\nexec "${process.execPath}" "${server}" "$@"\n`);
  chmodSync(join(bin, 'python'), 0o755);
}

/** A base model that is there, and holds nothing. */
export async function addBase(models: string): Promise<void> {
  const folder = commitFolder(models, base.repository, base.commit);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'config.json'), '{}');
  const files = await describeFiles(folder, new Map(), () => undefined);
  writeManifest(join(folder, manifestName), { schema: 1, ...base, source: 'made on this machine', files });
}

/** A row and an image of either engine. */
export async function addVersion(
  project: Pick<Project, 'folder' | 'paths'>,
  engine: Engine,
  version: number,
  behaviour: string,
  model = 'tickets',
): Promise<void> {
  const config = join(project.folder, `adapter-${version}.json`);
  writeFileSync(config, JSON.stringify({ behaviour, version }));
  const ledger = openLedger(project.paths.ledgerFile);
  try {
    const never = new AbortController().signal;
    const files = [{ path: 'adapter/adapter_config.json', source: config }];
    const contents = { model, version, files, labels: {} };
    const { digest } = await engine.packageVersion(contents, () => undefined, never);
    const id = `run-${version}`;
    const fixed = { recipe: 'tickets', recipeFile: 'r', method: 'lora', seed: 1, engine: engine.kind };
    const from = { baseModel: base.repository, baseCommit: base.commit };
    insertRun(ledger, { id, ...fixed, ...from, owner: null, startedAtMs: 1 });
    updateRun(ledger, id, { state: 'finished', endedAtMs: 2 });
    const row = { model, version, digest, engine: engine.kind, runId: id };
    const settings = {
      ...{ schema: 1, model, version, method: 'lora', adapter: true, max_lora_rank: 16 },
      ...{ max_model_len: 256, gpu_memory_utilization: 0.9, base_model: base },
    };
    insertVersion(ledger, { ...row, ...from, settings: JSON.stringify(settings), sizeBytes: 1, createdAtMs: 1 });
  } finally {
    ledger.close();
  }
}
