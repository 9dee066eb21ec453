// Versions in one real vLLM: the second one's adapter is loaded while the first one answers, and the way back is a flip.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

import Docker from 'dockerode';
import { request } from 'undici';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { loadConfig } from '../../src/config/load.js';
import { packageRoot } from '../../src/config/paths.js';
import { gatewayControl } from '../../src/gateway/control.js';
import { gatewayKey } from '../../src/gateway/key.js';
import { startGatewayServer, type RunningGateway } from '../../src/gateway/server.js';
import { openLedger, type Ledger } from '../../src/ledger/open.js';
import { findRoute } from '../../src/ledger/promotions.js';
import { insertRun } from '../../src/ledger/runs.js';
import { findVersion, insertVersion } from '../../src/ledger/versions.js';
import type { PromotionEdges } from '../../src/registry/edges.js';
import { planPromotion } from '../../src/registry/plan.js';
import { promote } from '../../src/registry/promote.js';
import { stopExpiredServers } from '../../src/registry/retire.js';
import { aliasTarget } from '../../src/registry/targets.js';
import { hashFile } from '../../src/store/hash-file.js';
import { never, probe, quiet, run } from './probe.js';
import { containersOf, sharedProject } from './project.js';

const { project, skipped, why } = await sharedProject();
const model = () => `swap-${project().paths.projectId}`;

describe.skipIf(skipped)(`adapters of several versions in one container${why}`, () => {
  let ledger: Ledger;
  let gateway: RunningGateway;
  let edges: PromotionEdges;

  beforeAll(async () => {
    const { paths, engine } = project();
    const out = join(paths.models, 'tiny');
    await makeTinyModel(out);
    ledger = openLedger(paths.ledgerFile);
    for (const [index, adapter] of ['adapter', 'adapter-2', 'adapter-0'].entries())
      await addVersion(ledger, index + 1, join(out, adapter));
    mkdirSync(paths.run, { recursive: true });
    gateway = await startGatewayServer({
      ...{ paths, port: 0, drainTimeoutMs: 5_000, environment: {}, warn: quiet, now: () => new Date() },
      readConfig: () => loadConfig(paths, {}),
    });
    edges = {
      ...{ ledger, engine: () => Promise.resolve(engine), gateway: async () => gatewayControl(paths.sockets) },
      ...{
        baseModelFolder: () => join(out, 'base'),
        weightBytes: () => null,
        freeMemoryBytes: () => 0,
        heldOutFile: () => 'none',
        goldenFile: 'none',
        trafficFile: 'none',
      },
      gpu: false,
      ...{ keepLines: () => 'kept.log', readyTimeoutMs: 300_000, drainTimeoutMs: 10_000, maxHoldMs: 60_000 },
      maxSlowdown: 5,
      ...{ keepWarmMs: 300_000, now: () => new Date(), clock: () => performance.now(), signal: never },
      pause: (durationMs) => pause(durationMs),
      ...{ onStep: quiet, onProgress: quiet, onLook: quiet, onNote: quiet, failPoint: async () => undefined },
    };
  });

  afterAll(async () => {
    await gateway?.stop();
    ledger?.close();
  });

  const put = (version: number, kind: 'promote' | 'rollback' = 'promote') =>
    promote(edges, {
      version: findVersion(ledger, `${model()}:${version}`),
      target: aliasTarget(model(), 'production'),
      ...{ kind, actor: 'ada', reason: null },
    });

  async function ask(): Promise<{ status: number; version: unknown; text: string; name: string }> {
    const answer = await request(`http://127.0.0.1:${gateway.port}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${gatewayKey(project().paths.secrets)}`, 'content-type': 'application/json' },
      body: JSON.stringify({
        model: model(),
        messages: [{ role: 'user', content: 'the printer' }],
        max_tokens: 12,
        temperature: 0,
      }),
    });
    type Answered = { model: string; choices: { message: { content: string } }[] };
    const { model: name, choices } = (await answer.body.json()) as Answered;
    const text = choices[0]?.message.content ?? '';
    return { status: answer.statusCode, version: answer.headers['x-mlx-version'], text, name };
  }

  const containers = async () => (await containersOf(project())).filter(({ Labels }) => Labels['mlx.server']);
  const served = async () => (await project().engine.listServers()).map(({ version }) => version).sort();

  test('the second version is loaded into the server of the first, and both answer in their own way', async () => {
    expect(await put(1)).toMatchObject({ outcome: 'promoted' });
    const first = await ask();
    const target = aliasTarget(model(), 'production');
    const plan = await planPromotion(edges, { version: findVersion(ledger, `${model()}:2`), target }, 'promote');
    expect(plan, plan.why).toMatchObject({ strategy: 'adapter-swap', outage: 'none' });
    expect(await put(2)).toMatchObject({ outcome: 'promoted', toVersion: 2 });
    const second = await ask();
    expect([first, second]).toMatchObject([
      { status: 200, version: `${model()}:1`, name: model() },
      { status: 200, version: `${model()}:2`, name: model() },
    ]);
    expect(second.text).not.toBe(first.text);
    expect([(await containers()).length, await served()]).toEqual([1, [1, 2]]);
    expect(await put(1, 'rollback')).toMatchObject({ outcome: 'rolled_back' });
    expect((await ask()).text).toBe(first.text);
    expect(await put(2)).toMatchObject({ outcome: 'promoted' });
  });

  test('a server that is killed comes back with the adapter that the route names', async () => {
    const before = await ask();
    const later = new Date(Date.now() + 400_000);
    await stopExpiredServers({ ...edges, now: () => later });
    expect(await served()).toEqual([2]);
    const [container] = await containers();
    await new Docker().getContainer(container?.Id ?? '').restart({ t: 1 });
    const route = findRoute(ledger, model());
    while ((await project().engine.listServers())[0]?.state !== 'running') await pause(500);
    expect(await project().engine.listServers()).toMatchObject([{ id: route?.serverId, version: 2 }]);
    expect(await ask()).toMatchObject({ status: 200, version: `${model()}:2`, text: before.text });
  });

  test('an adapter that changes nothing is refused, and the server goes on as before', async () => {
    const before = await ask();
    expect(await put(3)).toMatchObject({ outcome: 'failed', error: { code: 'ADAPTER_INCONCLUSIVE' } });
    expect(await ask()).toEqual(before);
    expect(await served()).toEqual([2]);
  });

  test('its memory can be measured', async () => {
    const [server] = await project().engine.listServers();
    const use = await project().engine.measureServer(server?.id ?? '');
    expect(use?.of).toBe('machine');
    expect(use?.usedBytes).toBeGreaterThan(200 * 2 ** 20);
    expect(use?.usedBytes).toBeLessThan(use?.limitBytes ?? 0);
  });

  test('the container ends with the last version in it, and nothing is left', async () => {
    const { engine } = project();
    for (const { id } of await engine.listServers()) await engine.stopServer(id);
    expect([await containers(), await served()]).toEqual([[], []]);
  });
});

async function makeTinyModel(out: string): Promise<void> {
  mkdirSync(out, { recursive: true });
  const mounts = [
    { name: 'probe', source: join(packageRoot(), 'test', 'fixtures', 'docker', 'tiny_model.py'), writable: false },
    { name: 'out', source: out, writable: true },
  ];
  const made = await run(project(), { ...probe(project(), 'make', ''), mounts, argv: ['{probe}', '{out}'] });
  if (made.exit.status !== 0) throw new Error(made.stderr.join('\n'));
}

/** As `mlx package` does it, without a training. */
async function addVersion(ledger: Ledger, version: number, adapter: string): Promise<void> {
  const { folder, engine } = project();
  const runId = `run-${version}`;
  const base = { baseModel: 'tiny/base', baseCommit: 'c0ffee' };
  const settings = {
    ...{ schema: 1, model: model(), version, method: 'lora', adapter: true },
    ...{ max_lora_rank: 8, max_model_len: 256, gpu_memory_utilization: 0.5 },
    base_model: { repository: base.baseModel, commit: base.baseCommit },
  };
  const file = join(folder, `settings-${version}.json`);
  writeFileSync(file, JSON.stringify(settings));
  const weights = join(adapter, 'adapter_model.safetensors');
  const files = [
    { path: 'settings.json', source: file },
    { path: 'adapter/adapter_config.json', source: join(adapter, 'adapter_config.json') },
    { path: 'adapter/adapter_model.safetensors', source: weights },
  ];
  const labels = {
    'mlx.adapter_sha256': await hashFile(weights),
    'mlx.base_model': base.baseModel,
    'mlx.base_commit': base.baseCommit,
  };
  const { digest } = await engine.packageVersion({ model: model(), version, files, labels }, quiet, never);
  const fixed = { recipe: 'tiny', recipeFile: 'r', method: 'lora', seed: 1, owner: null, startedAtMs: 1, ...base };
  insertRun(ledger, { id: runId, engine: 'docker', ...fixed });
  const row = { model: model(), version, digest, runId, ...base, settings: JSON.stringify(settings) };
  insertVersion(ledger, { ...row, engine: 'docker', sizeBytes: 1, createdAtMs: 1 });
}
