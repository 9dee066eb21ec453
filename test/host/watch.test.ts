// The real command watches real requests: a version that goes wrong once it is live is taken back, a canary that goes wrong costs the clients
// nothing, and a command that is killed meanwhile leaves what is documented.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';

import { packageRoot } from '../../src/config/paths.js';
import { openLedger } from '../../src/ledger/open.js';
import { findRoute } from '../../src/ledger/promotions.js';
import { findSplit } from '../../src/ledger/route-splits.js';
import { mlx, mlxJson } from '../command/mlx.js';
import { startLoad, type ClientLoad } from './client-load.js';
import { standInProject, type StandInProject } from './stand-in-project.js';

let project: StandInProject;
let load: ClientLoad;

const json = (...argv: string[]) => mlxJson(argv, { folder: project.folder, environment: project.environment });

beforeAll(async () => {
  project = await standInProject(['good', 'good', 'fails_later', 'slow_later', 'dies_later']);
  project.environment['MLX_ACTOR'] = 'ada';
  const served = await json('serve', 'tickets:1');
  expect(served.status, served.stdout + served.stderr).toBe(0);
});

afterAll(async () => {
  await json('down');
  project.remove();
});

beforeEach(async () => {
  const back = await json('promote', 'tickets:1');
  expect(back.status, back.stdout + back.stderr).toBe(0);
  load = startLoad(project);
  await load.answered(60);
});

afterEach(() => load.stop());

function ledgerSays<Value>(ask: (ledger: ReturnType<typeof openLedger>) => Value): Value {
  const ledger = openLedger(project.paths.ledgerFile);
  try {
    return ask(ledger);
  } finally {
    ledger.close();
  }
}

const live = () => ledgerSays((ledger) => findRoute(ledger, 'tickets')?.version);
const share = () => ledgerSays((ledger) => findSplit(ledger, 'tickets')?.percent);

/** The real program, in a process of its own. */
function start(...words: string[]): ChildProcess {
  const program = join(packageRoot(), 'bin', 'mlx.js');
  return spawn(process.execPath, [program, ...words, '--project', project.folder], {
    env: project.environment,
    stdio: 'ignore',
  });
}

async function killedOnce(child: ChildProcess, when: () => boolean): Promise<void> {
  while (!when()) await pause(20);
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
}

describe('mlx promote --watch', () => {
  test('leaves a good version live', async () => {
    const { status, value } = await json('promote', 'tickets:2', '--watch', '5s');
    expect(value).toMatchObject({ outcome: 'promoted', watch: { outcome: 'pass' } });
    expect([status, live()]).toEqual([0, 2]);
    expect((await load.stop()).lost).toEqual([]);
  });

  test.each([
    ['fails requests', 3, 'of requests failed'],
    ['gets slow', 4, '95 % of'],
    ['dies', 5, 'does not answer any more'],
  ])('takes a version back that %s once it is live', async (_what, version, why) => {
    const { status, value } = await json('promote', `tickets:${version}`, '--watch', '60s');
    expect(value).toMatchObject({ outcome: 'taken_back', watch: { rollback: { outcome: 'rolled_back' } } });
    expect(JSON.stringify(value)).toContain(why);
    expect([status, live()]).toEqual([4, 1]);
    // Whatever is asked from now on, the version before answers.
    await load.stop();
    load = startLoad(project);
    await load.answered(20);
    expect(Object.keys((await load.stop()).versions)).toEqual(['tickets:1']);
  });

  test('that is killed leaves the new version live, and status and releases show say so', async () => {
    await killedOnce(start('promote', 'tickets:2', '--watch', '10m'), () => live() === 2 && watchBegun());
    expect(live()).toBe(2);
    const status = await mlx(['status'], { folder: project.folder, environment: project.environment });
    expect(status.stdout).toContain('the command that watched it died');
    expect((await load.stop()).lost).toEqual([]);
  });

  function watchBegun(): boolean {
    const sql = "SELECT COUNT(*) FROM promotion_steps WHERE step = 'watch' AND state = 'begun'";
    return ledgerSays(({ database }) => Number(database.prepare(sql).pluck().get())) > 0;
  }
});

describe('mlx promote --canary', () => {
  test('takes a version back that fails, and the clients lose nothing', async () => {
    const words = ['promote', 'tickets:3', '--canary', '50%', '--sticky', 'request', '--every', '60s'];
    const { status, value } = await json(...words);
    expect(value).toMatchObject({ outcome: 'taken_back', error: { code: 'WATCH_WORSE' } });
    expect([status, live(), share()]).toEqual([4, 1, undefined]);
    const { lost } = await load.stop();
    expect(lost).toEqual([]);
    const servers = await project.engine.listServers();
    expect(servers.map(({ version }) => version)).not.toContain(3);
  });

  test('that does well keeps its last share until a person promotes it', async () => {
    const words = ['promote', 'tickets:2', '--canary', '40%', '--step', '40%', '--sticky', 'request', '--every', '4s'];
    expect((await json(...words)).value).toMatchObject({ outcome: 'standing', percent: 80, error: null });
    expect([live(), share()]).toEqual([1, 80]);
    expect((await json('promote', 'tickets:2')).value).toMatchObject({ outcome: 'promoted' });
    expect([live(), share()]).toEqual([2, undefined]);
    expect((await load.stop()).lost).toEqual([]);
  });

  test('that is killed is taken back by the next command', async () => {
    const words = ['promote', 'tickets:2', '--canary', '50%', '--sticky', 'request', '--every', '10m'];
    await killedOnce(start(...words), () => share() === 50);
    await load.answered(20);
    expect((await json('releases', 'recover')).value).toMatchObject({ canaries: ['tickets'] });
    expect([live(), share()]).toEqual([1, undefined]);
    expect(await lastBack()).toMatchObject({ code: null, actor: 'ada', why: 'its command was gone' });
    const { lost } = await load.stop();
    expect(lost).toEqual([]);
  });

  test('that a person takes back says by whom and why', async () => {
    await json('promote', 'tickets:2', '--canary', '40%', '--sticky', 'request', '--every', '1s');
    expect(share()).toBe(40);
    expect((await json('rollback', 'tickets', '-m', 'answers in French')).value).toMatchObject({ live: 1, version: 2 });
    expect(await lastBack()).toMatchObject({ code: null, actor: 'ada', why: 'answers in French' });
    const told = await mlx(['releases'], { folder: project.folder, environment: project.environment });
    expect(told.stdout).toMatch(/#\d+ {2}tickets:2 taken back .+ by ada: answers in French/);
  });

  async function lastBack(): Promise<unknown> {
    const { value } = await json('releases');
    return (value as { releases: { alias: string; back: unknown }[] }).releases.find(({ alias }) => alias === 'canary')
      ?.back;
  }
});
