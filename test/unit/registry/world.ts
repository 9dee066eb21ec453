// A project with a ledger, two finished runs, a fake engine and a real gateway: what registry tests share.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { request, type Dispatcher } from 'undici';

import { toConfig } from '../../../src/config/load.js';
import { projectPaths, type Paths } from '../../../src/config/paths.js';
import { configSchema } from '../../../src/config/schema.js';
import { gatewayControl } from '../../../src/gateway/control.js';
import { gatewayKey } from '../../../src/gateway/key.js';
import { startGatewayServer, type RunningGateway } from '../../../src/gateway/server.js';
import { recordDatasets, recordMetrics, recordParams } from '../../../src/ledger/metrics.js';
import { openLedger, type Ledger } from '../../../src/ledger/open.js';
import { findRun, insertRun, updateRun, type Run } from '../../../src/ledger/runs.js';
import { findVersion } from '../../../src/ledger/versions.js';
import type { PromotionEdges } from '../../../src/registry/edges.js';
import { packageRun, type PackageEdges } from '../../../src/registry/package.js';
import { promote, type PromotionResult } from '../../../src/registry/promote.js';
import type { AskedStrategy } from '../../../src/registry/strategy.js';
import { aliasTarget, production, rollbackCandidate } from '../../../src/registry/targets.js';
import { hashFile } from '../../../src/store/hash-file.js';
import { runFolder } from '../../../src/training/run-folder.js';
import { tinyWeights } from '../training/examples.js';
import { fakeEngine, type FakeEngine } from './fake-engine.js';

export type World = {
  paths: Paths;
  ledger: Ledger;
  engine: FakeEngine;
  gateway: RunningGateway;
  packageEdges: PackageEdges;
  edges: PromotionEdges;
  notes: string[];
  steps: string[];
  stop: AbortController;
  addRun: (id: string) => Promise<Run>;
  promote: (
    version: number,
    alias?: string,
    edges?: PromotionEdges,
    strategy?: AskedStrategy,
  ) => Promise<PromotionResult>;
  /** To the version before. */
  rollback: (edges?: PromotionEdges) => Promise<PromotionResult>;
  ask: (model?: string) => Promise<{ status: number; version: string }>;
  openStream: () => Promise<Dispatcher.ResponseData>;
  close: () => Promise<void>;
};

const who = { actor: 'ada', reason: null };

/** A model `tickets` with versions 1 and 2; nothing is served yet. */
export async function makeWorld(): Promise<World> {
  const folder = mkdtempSync(join(tmpdir(), 'mlx-reg-'));
  const paths = projectPaths(folder, { MLX_HOME: join(folder, 'home') });
  mkdirSync(paths.run, { recursive: true });
  const ledger = openLedger(paths.ledgerFile);
  const engine = fakeEngine(paths.run);
  const gateway = await startGatewayServer({
    paths,
    port: 0,
    now: () => new Date(),
    drainTimeoutMs: 1_000,
    warn: () => undefined,
    readConfig: async () => toConfig(configSchema.parse({}), paths.project),
    environment: {},
  });
  const stop = new AbortController();
  const [notes, steps]: [string[], string[]] = [[], []];
  const shared = {
    ledger,
    engine: () => Promise.resolve(engine),
    signal: stop.signal,
    onProgress: () => undefined,
    onLook: () => undefined,
  };
  const packageEdges: PackageEdges = { ...shared, paths, now: () => new Date() };
  const edges: PromotionEdges = {
    ...shared,
    gateway: async () => gatewayControl(paths.sockets),
    baseModelFolder: () => folder,
    weightBytes: () => 2 ** 20,
    freeMemoryBytes: () => 2 ** 40,
    heldOutFile: (runId) => join(runFolder(paths.runs, runId).data, 'held_out.jsonl'),
    goldenFile: join(folder, 'golden.jsonl'),
    trafficFile: paths.trafficFile,
    keepLines: () => 'kept.log',
    gpu: false,
    readyTimeoutMs: 10_000,
    maxSlowdown: 5,
    drainTimeoutMs: 10_000,
    maxHoldMs: 60_000,
    keepWarmMs: 0,
    now: () => new Date(),
    ...stoppableClock(),
    onStep: (step) => void steps.push(step),
    onNote: (line) => void notes.push(line),
    failPoint: async () => undefined,
  };
  const world: World = {
    ...{ paths, ledger, engine, gateway, packageEdges, edges, notes, steps, stop },
    addRun: (id) => addRun(ledger, paths, id),
    promote: (version, alias = production, changed = edges, strategy = undefined) =>
      promote(changed, {
        version: findVersion(ledger, `tickets:${version}`),
        target: aliasTarget('tickets', alias),
        kind: 'promote',
        ...who,
        ...(strategy === undefined ? {} : { strategy }),
      }),
    rollback: (changed = edges) =>
      promote(changed, { ...rollbackCandidate(ledger, 'tickets', undefined), kind: 'rollback', ...who }),
    ask: (model = 'tickets') => ask(gateway, paths, model),
    openStream: () => post(gateway, paths, 'tickets', 'text/event-stream'),
    close: async () => {
      await engine.close();
      await gateway.stop();
      ledger.close();
      rmSync(folder, { recursive: true });
    },
  };
  for (const id of ['run-1', 'run-2']) await packageRun(packageEdges, await world.addRun(id));
  return world;
}

/** Time passes by pausing alone: a test never waits for it. */
function stoppableClock(): Pick<PromotionEdges, 'clock' | 'pause'> {
  let nowMs = 0;
  return {
    clock: () => nowMs,
    pause: (durationMs) => {
      nowMs += durationMs;
      return new Promise((resolve) => setImmediate(resolve));
    },
  };
}

async function addRun(ledger: Ledger, paths: Paths, id: string): Promise<Run> {
  const folder = runFolder(paths.runs, id);
  for (const place of [folder.adapter, folder.data]) mkdirSync(place, { recursive: true });
  const weights = join(folder.adapter, 'adapter_model.safetensors');
  writeFileSync(weights, tinyWeights(id));
  writeFileSync(join(folder.adapter, 'adapter_config.json'), '{"r":16}');
  writeFileSync(join(folder.adapter, 'README.md'), 'trained in /home/somebody');
  const recipe = { lora: { r: 12 }, serving: { max_model_len: 512, gpu_memory_utilization: 0.5 } };
  writeFileSync(folder.recipe, JSON.stringify(recipe));
  const row = { prompt: [{ role: 'user', content: 'My invoice is wrong' }], completion: [] };
  writeFileSync(join(folder.data, 'held_out.jsonl'), `${JSON.stringify(row)}\n`);
  const fixed = { recipe: 'tickets', recipeFile: 'r', method: 'lora', baseModel: 'mlx/base', baseCommit: 'c0ffee' };
  insertRun(ledger, { id, ...fixed, seed: 1, engine: 'host', owner: null, startedAtMs: 1 });
  recordParams(ledger, id, { model: 'tickets' });
  recordDatasets(ledger, id, [{ split: 'train', sources: 'data.jsonl', rows: 9, sha256: 'abc' }]);
  recordMetrics(ledger, id, [{ key: 'held_out/tuned/loss', step: 1, value: 0.5, recordedAtMs: 1 }]);
  updateRun(ledger, id, { state: 'finished', endedAtMs: 2, adapterSha256: await hashFile(weights) });
  return findRun(ledger, id);
}

async function ask(gateway: RunningGateway, paths: Paths, model: string) {
  const answer = await post(gateway, paths, model, 'application/json');
  await answer.body.dump();
  return { status: answer.statusCode, version: String(answer.headers['x-mlx-version'] ?? 'none') };
}

function post(gateway: RunningGateway, paths: Paths, model: string, accept: string): Promise<Dispatcher.ResponseData> {
  return request(`http://127.0.0.1:${gateway.port}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${gatewayKey(paths.secrets)}`, accept },
    body: JSON.stringify({ model, messages: [] }),
  });
}
