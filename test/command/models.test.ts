// Commands on model versions that need neither a server nor an engine that runs.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';

import { recordDatasets } from '../../src/ledger/metrics.js';
import { setRoute } from '../../src/ledger/promotions.js';
import { projectPaths } from '../../src/config/paths.js';
import { freePort } from '../../src/engine/port.js';
import { openTraffic } from '../../src/ledger/traffic.js';
import { setAlias } from '../../src/ledger/versions.js';
import { renderLock } from '../../src/recipe/lock.js';
import { runFolder } from '../../src/training/run-folder.js';
import { lock } from '../unit/recipe/sample-lock.js';
import { mlx, mlxJson } from './mlx.js';
import { modelsProject, released } from './models-project.js';
import { addRun, now, type Place } from './runs-project.js';

let place: Place;

beforeEach(() => {
  place = modelsProject();
});

const run = (...argv: string[]) => mlx(argv, { folder: place.folder });
const json = (...argv: string[]) => mlxJson(argv, { folder: place.folder });

describe('mlx models', () => {
  it('lists versions with their aliases, routes and scores, the newest first', async () => {
    setAlias(place.ledger, { model: 'tickets', alias: 'production', version: 1, updatedAtMs: now });
    const route = {
      name: 'tickets',
      model: 'tickets',
      version: 1,
      digest: 'sha256:1',
      serverId: 's',
      engine: 'host',
    } as const;
    setRoute(place.ledger, { ...route, address: 'unix:/s', updatedAtMs: now });
    expect((await json('models', 'ls')).value).toMatchObject({
      models: [
        { model: 'tickets', version: 2, aliases: [], routes: [], exact_match: 0.8 },
        { model: 'tickets', version: 1, aliases: ['production'], routes: ['tickets'], run: 'tickets-aaa001' },
      ],
    });
    expect((await run('models', 'ls')).stdout).toMatch(/tickets:2 .*\n.*tickets:1 +production/);
  });

  it('shows one by version or alias, also when its image is gone', async () => {
    const { value, status } = await json('models', 'show', 'tickets:1');
    expect(status).toBe(0);
    expect(value).toMatchObject({
      model: 'tickets',
      version: 1,
      image: null,
      run: 'tickets-aaa001',
      base_commit: 'c0ffee00',
      scores: { base: { exact_match: 0 }, tuned: { exact_match: 0.8 } },
    });
    expect((await run('models', 'show', 'tickets')).stdout).toContain('tickets:2');
  });
});

it('mlx promote and mlx serve name the lines of evals/golden.jsonl that are none, before anything is started', async () => {
  mkdirSync(join(place.folder, 'evals'));
  writeFileSync(
    join(place.folder, 'evals', 'golden.jsonl'),
    '{"messages":[{"role":"user","content":"Hi"}]}\n{"expect":"x"}\n',
  );
  for (const argv of [
    ['promote', 'tickets:1'],
    ['promote', 'tickets:1', '--dry-run'],
    ['serve', 'tickets:1'],
    ['serve', 'tickets:1', '--dry-run'],
  ]) {
    const { stderr, status } = await run(...argv);
    expect(status).toBe(2);
    expect(stderr).toContain('golden.jsonl:2');
  }
});

it.each([
  ['--sticky needs --canary', ['--sticky', 'key']],
  ['--every needs --canary or --shadow', ['--every', '10m', '--watch', '10m']],
  ['--sticky needs --canary', ['--shadow', '--sticky', 'key']],
])('mlx promote switches nothing where a share was meant: %s', async (why, flags) => {
  const { stderr, status } = await run('promote', 'tickets:1', '--dry-run', ...flags);
  expect([status, stderr]).toEqual([2, expect.stringContaining(why)]);
});

describe('mlx explain', () => {
  const row = {
    ...{ requestId: 'r-1', startedAtMs: now + 60_000, operation: 'chat', dialect: 'openai', stream: false },
    ...{
      route: 'tickets',
      upstream: 'local',
      model: 'tickets',
      version: 'tickets:2',
      digest: `sha256:${'2'.repeat(64)}`,
    },
    ...{ keyId: null, tenant: 'acme', feature: null, inputTokens: 3, outputTokens: 1, cachedInputTokens: 0 },
    ...{ cacheWriteTokens: 0, reasoningTokens: 0, estimated: false, costUsd: null, price: null, firstTokenMs: 4 },
    ...{
      durationMs: 40,
      status: 200,
      end: 'complete' as const,
      errorClass: null,
      finishReason: 'stop',
      attempts: '[]',
    },
    prompt: null,
  };

  it('leads from an answer to its version, its run and lock, its rows, and who put it live and why', async () => {
    released(place, 1, 2, 'promoted', 'better');
    const traffic = openTraffic(projectPaths(place.folder, { HOME: place.folder }).trafficFile);
    traffic.insert([row, { ...row, requestId: 'r-2', upstream: 'openai', model: 'gpt', version: null, digest: null }]);
    traffic.close();
    expect((await json('explain', 'r-1')).value).toMatchObject({
      request: { request_id: 'r-1', tenant: 'acme', finish_reason: 'stop' },
      version: { model: 'tickets', version: 2, same_digest: true },
      run: { id: 'tickets-aaa002', lock_file: null },
      release: { id: 1, actor: 'ada', reason: 'better' },
    });
    expect((await run('explain', 'r-1')).stdout).toMatch(
      /live by +ada, release 1: better\nrun +tickets-aaa002 .*no lock/,
    );
    expect((await json('explain', 'r-2')).value).toMatchObject({
      request: { upstream: 'openai' },
      version: null,
      run: null,
    });
    expect(await json('explain', 'r-9')).toMatchObject({ status: 2, value: { error: { code: 'NOT_FOUND' } } });
  });

  it('says of a request that failed that nobody answered it, and which version it was meant for', async () => {
    released(place, null, 2, 'promoted', 'better');
    const traffic = openTraffic(projectPaths(place.folder, { HOME: place.folder }).trafficFile);
    const failed = { ...row, status: 503, errorClass: 'connect_failed', finishReason: null };
    const unsent = { upstream: null, model: null, version: null, digest: null, errorClass: 'breaker_open' };
    traffic.insert([
      { ...row, requestId: 'r-0' },
      failed,
      { ...failed, ...unsent, requestId: 'r-2' },
      { ...failed, requestId: 'r-3', status: 400, errorClass: 'status_400' },
      { ...failed, ...unsent, requestId: 'r-4', upstream: 'openai' },
    ]);
    traffic.close();
    const told = async (id: string) => (await run('explain', id)).stdout;
    expect(await told('r-1')).toMatch(
      /^request +r-1 .+\nanswer +none: status 503, connect_failed after 40 ms\n[^]+\nmeant for +tickets:2 .+\nlive by +ada, release 1: better\n$/,
    );
    expect(await told('r-2')).toMatch(/\nroute +tickets -> nobody\nmeant for +tickets:2 /);
    expect(await told('r-3')).toMatch(/\nanswer +none: status 400.+\n[^]+\nrefused by +tickets:2 /);
    expect(await told('r-4')).not.toContain('tickets:2');
    expect((await json('explain', 'r-1')).value).toMatchObject({ answered: false, version: { version: 2 }, run: null });
    expect((await json('explain', 'r-0')).value).toMatchObject({ answered: true, run: { id: 'tickets-aaa002' } });
  });

  it('lists held-out rows as what it was scored on, not as what it learned', async () => {
    const splits = ['train', 'held_out'].map((split) => ({ split, sources: 'd', rows: 60, sha256: 'b'.repeat(64) }));
    recordDatasets(place.ledger, 'tickets-aaa002', splits);
    const traffic = openTraffic(projectPaths(place.folder, { HOME: place.folder }).trafficFile);
    traffic.insert([row]);
    traffic.close();
    const { stdout } = await run('explain', 'r-1');
    expect(stdout).toContain('\ntrained on 60 rows, bbbbbbbbbbbb\n');
    expect(stdout).toContain('\nheld out   60 rows, bbbbbbbbbbbb  (scored on them, not trained)\n');
  });

  it('names who put the version there, and not what started its server again, which it tells beside', async () => {
    released(place, null, 2, 'promoted', 'first');
    released(place, 2, 1, 'promoted', 'not good', 'rollback');
    released(place, 1, 2, 'promoted', 'better');
    released(place, 2, 2, 'promoted', 'its model server was gone');
    released(place, null, 2, 'promoted', 'to look at', 'promote', 'staging');
    released(place, null, 1, 'promoted', 'on trial', 'promote', 'canary');
    const traffic = openTraffic(projectPaths(place.folder, { HOME: place.folder }).trafficFile);
    const shared = { version: 'tickets:1', digest: `sha256:${'1'.repeat(64)}` };
    traffic.insert([
      row,
      { ...row, requestId: 'r-2', route: 'tickets@staging' },
      { ...row, requestId: 'r-3', ...shared },
    ]);
    traffic.close();
    expect((await json('explain', 'r-1')).value).toMatchObject({
      ...{ release: { id: 3, reason: 'better' }, restart: { id: 4, reason: 'its model server was gone' } },
    });
    expect((await run('explain', 'r-1')).stdout).toMatch(
      /live by +ada, release 3: better\nrestart +ada, release 4: its model server was gone\n/,
    );
    expect((await json('explain', 'r-2')).value).toMatchObject({ release: { id: 5 }, restart: null });
    expect((await json('explain', 'r-3')).value).toMatchObject({ release: { id: 6 }, restart: null });
  });

  it('names the lock of the run: beside the recipe, else its own, and never that of another run', async () => {
    const paths = projectPaths(place.folder, { HOME: place.folder });
    const folder = runFolder(paths.runs, 'tickets-aaa002');
    const beside = join(paths.recipes, 'tickets.lock.yaml');
    const written = (file: string, run: string) =>
      writeFileSync(file, renderLock({ ...lock(), results: { ...lock().results, run } }));
    const traffic = openTraffic(paths.trafficFile);
    traffic.insert([row]);
    traffic.close();
    const shown = async () => ((await json('explain', 'r-1')).value as { run: { lock_file: string } }).run.lock_file;
    mkdirSync(paths.recipes, { recursive: true });
    written(beside, 'tickets-aaa002');
    writeFileSync(folder.resolution, JSON.stringify({ lockFile: beside }));
    expect(await shown()).toBe('recipes/tickets.lock.yaml');
    written(beside, 'tickets-aaa001');
    expect(await shown()).toBeNull();
    written(folder.lock, 'tickets-aaa002');
    expect(await shown()).toBe('.mlx/runs/tickets-aaa002/run.lock.yaml');
    writeFileSync(beside, '<<<<<<< ours');
    writeFileSync(folder.resolution, JSON.stringify({ lockFile: null }));
    expect(await shown()).toBe('.mlx/runs/tickets-aaa002/run.lock.yaml');
  });
});

describe('mlx rollback', () => {
  it('says what goes back in production before it does anything', async () => {
    // It starts a gateway before it finds that the base model is not there.
    const settings = { folder: place.folder, environment: { MLX_GATEWAY_PORT: String(await freePort()) } };
    onTestFinished(() => mlx(['gateway', 'stop'], settings).then(() => undefined));
    released(place, null, 1, 'promoted', null);
    released(place, 1, 2, 'promoted', null);
    const { stderr } = await mlx(['rollback'], settings);
    expect(stderr.split('\n')[0]).toBe('Production of tickets goes back from version 2 to version 1.');
    expect((await mlx(['rollback', '--to', '2'], settings)).stderr).not.toContain('goes back');
  });
});

describe('a plan', () => {
  it('of packaging says which version it would be', async () => {
    addRun(place, 'tickets-bbb001', 5);
    expect((await json('package', 'tickets-bbb', '--dry-run')).value).toMatchObject({
      model: 'tickets',
      version: 3,
      exists: false,
    });
    expect((await json('package', 'tickets-aaa001', '--dry-run')).value).toMatchObject({ version: 1, exists: true });
  });

  it('of a promotion, a rollback and serving changes nothing', async () => {
    released(place, null, 1, 'promoted', null);
    released(place, 1, 2, 'promoted', null);
    const promotion = await json('promote', 'tickets:1', '--alias', 'staging', '--dry-run');
    expect(promotion.value).toMatchObject({
      route: 'tickets@staging',
      from_version: null,
      to_version: 1,
      outage: 'none',
    });
    expect(await run('promote', 'tickets:2', '--dry-run')).toMatchObject({
      stdout: expect.stringMatching(/\nrun {7}tickets-aaa002\nheld out {2}exact_match 0.8/),
    });
    expect((await json('rollback', '--dry-run')).value).toMatchObject({
      kind: 'rollback',
      from_version: 2,
      to_version: 1,
    });
    expect((await json('serve', 'tickets:1', '--dry-run')).value).toMatchObject({ route: 'tickets@v1' });
    expect((await json('releases', '--all')).value).toMatchObject({ releases: [{ id: 2 }, { id: 1 }] });
  });
});

describe('refused', () => {
  it.each([
    [['promote', 'tickts:1'], 2, 'Did you mean tickets?'],
    [['promote', 'tickets:9'], 2, 'tickets:2'],
    [['promote', 'tickets:1', '--alias', 'previous'], 2, 'moved by mlx alone'],
    [['promote', 'tickets:1', '--alias', 'v2'], 2, 'moved by mlx alone'],
    [['promote', 'tickets:1', '--alias', 'Not/One'], 2, 'lower case'],
    [['rollback', 'tickets'], 2, 'no earlier version'],
    [['rollback', 'tickets', '--to', 'first'], 2, '--to 1'],
    [['serve', 'other'], 2, 'mlx models ls'],
    [['package', 'nothing'], 2, 'mlx runs ls'],
    [['package', '--name', 'Not/One'], 2, 'lower case'],
    [['models', 'show', 'tickets@staging'], 2, 'tickets:2'],
    [['chat'], 2, 'mlx serve MODEL'],
  ])('%j with status %i and the next step', async (argv, status, why) => {
    const failed = await run(...argv);
    expect(failed.status).toBe(status);
    expect(failed.stderr).toContain(why);
    expect(failed.stdout).toBe('');
  });
});
