import { beforeEach, describe, expect, it } from 'vitest';

import { startPromotion } from '../../src/ledger/promotions.js';
import { beginStep, endStep } from '../../src/ledger/promotion-steps.js';
import { mlx, mlxJson } from './mlx.js';
import { modelsProject, released } from './models-project.js';
import { now, type Place } from './runs-project.js';

let place: Place;

beforeEach(() => {
  place = modelsProject();
});

const run = (...argv: string[]) => mlx(argv, { folder: place.folder });
const json = (...argv: string[]) => mlxJson(argv, { folder: place.folder });

describe('mlx releases', () => {
  it('tells who put what live, when and why, and what failed', async () => {
    released(place, null, 1, 'promoted', 'first');
    released(place, 1, 2, 'failed', null);
    released(place, 1, 1, 'promoted', 'restart');
    const failed = {
      from_version: 1,
      to_version: 2,
      state: 'failed',
      standing: 'failed',
      error_code: 'SERVER_NOT_READY',
    };
    const first = {
      kind: 'promote',
      from_version: null,
      to_version: 1,
      actor: 'ada',
      reason: 'first',
      state: 'promoted',
    };
    expect((await json('releases')).value).toMatchObject({ releases: [failed, { ...first, standing: 'live' }] });
    expect((await json('releases', 'tickets', '--all')).value).toMatchObject({
      releases: [{ reason: 'restart', standing: 'live' }, failed, first],
    });
    const { stdout } = await run('releases');
    expect(stdout).toMatch(/ 1 +2 +failed +SERVER_NOT_READY/);
    expect(stdout).toMatch(/\n#2 {2}tickets:2 failed SERVER_NOT_READY .+: tickets-v2-a1b2 exited with status 3/);
  });

  it('fits a terminal of 80 columns: reasons are cut, what is the same for all releases goes first', async () => {
    released(place, null, 1, 'promoted', 'first');
    released(place, 1, 2, 'failed', null);
    released(place, 1, 2, 'promoted', 'better on held-out rows, and it answers\nin French where it should', 'promote');
    released(place, 1, 1, 'promoted', 'its model server was gone', 'promote', 'production', 'mlx gateway');
    released(place, null, 2, 'promoted', null, 'promote', 'for-customers-of-the-north-east');
    const at = async (columns: number) => {
      const { stdout } = await mlx(['releases', '--all'], { folder: place.folder, columns });
      return stdout.split('\n');
    };
    for (const columns of [60, 80, 100, 200])
      for (const line of await at(columns)) expect(line.length).toBeLessThanOrEqual(columns);
    expect((await at(100)).at(3)).toMatch(/^3 .+ live +better on.*…$/);
    expect((await at(80)).slice(-3)).toEqual([
      expect.stringMatching(/^#2 {2}tickets:2 failed SERVER_NOT_READY /),
      '    status 3.',
      '',
    ]);
    expect((await at(200)).at(3)).toMatch(/ ada .+ better on held-out rows, and it answers in French where it should$/);
  });

  it('calls a restart a restart, and one that nobody typed an automatic one', async () => {
    released(place, null, 1, 'promoted', 'first');
    released(place, 1, 1, 'promoted', 'mlx serve');
    released(place, 1, 1, 'promoted', 'its model server was gone', 'promote', 'production', 'mlx gateway');
    const { stdout } = await run('releases', '--all');
    const rows = stdout.split('\n').slice(1);
    expect(rows).toEqual([
      expect.stringMatching(/^3 .+ mlx gateway +auto-restart +tickets +1 +1 +.+ its model server was gone$/),
      expect.stringMatching(/^2 .+ ada +restart +tickets /),
      expect.stringMatching(/^1 .+ ada +promote +tickets /),
      '',
    ]);
    const shown = await run('releases', 'show', '3');
    expect(shown.stdout).toMatch(/^release 3 {2}auto-restart of tickets@production: 1 -> 1 .+\nby mlx gateway at /);
    const restart = { kind: 'promote', restart: true };
    expect((await json('releases', '--all')).value).toMatchObject({
      releases: [{ ...restart, by_gateway: true }, { ...restart, by_gateway: false }, { restart: false }],
    });
  });

  it('tells what was rolled back, by whom it was found worse, and why', async () => {
    released(place, null, 1, 'promoted', 'first');
    released(place, 1, 2, 'promoted', 'better');
    released(place, 2, 1, 'promoted', 'answers in French', 'rollback');
    released(place, 1, 2, 'promoted', 'again');
    const findings = [{ verdict: 'worse', line: '40 % of requests failed' }];
    const subject = JSON.stringify({ step: 'watch', owner: '1:1:dead', untilMs: now });
    const position = beginStep(place.ledger, { promotionId: 4, step: 'watch', subject, begunAtMs: now });
    const watched = JSON.stringify({ outcome: 'worse', findings, taken_back: true });
    endStep(place.ledger, { promotionId: 4, position }, 'done', now, watched);
    released(place, 2, 1, 'promoted', 'release 4 did worse: 40 % of requests failed', 'rollback');
    expect((await json('releases')).value).toMatchObject({
      releases: [
        { id: 5, standing: 'live', back: null },
        { id: 4, standing: 'taken_back', back: { code: 'WATCH_WORSE', release: 5 } },
        { id: 3, standing: 'replaced' },
        { id: 2, standing: 'rolled_back', back: { code: null, release: 3, why: 'answers in French' } },
        { id: 1, standing: 'replaced' },
      ],
    });
    const { stdout } = await run('releases');
    expect(stdout).toMatch(/#4 {2}tickets:2 taken back WATCH_WORSE .+: release 4 did worse: 40 % of requests failed/);
    expect(stdout).toMatch(/#2 {2}tickets:2 rolled back .+: answers in French/);
  });

  it('shows of one release the standing that it has among all', async () => {
    released(place, null, 1, 'promoted', 'first');
    released(place, 1, 2, 'promoted', 'better');
    released(place, 2, 1, 'promoted', 'answers in French', 'rollback');
    for (const id of ['1', '2', '3']) {
      const [shown, listed] = [await json('releases', 'show', id), await json('releases')];
      const { releases } = listed.value as { releases: { id: number; standing: string }[] };
      expect(shown.value).toMatchObject(releases.find((one) => String(one.id) === id) ?? {});
    }
    const { stdout } = await run('releases', 'show', '2');
    expect(stdout).toMatch(/1 -> 2 {2}rolled back\n/);
    expect(stdout).toMatch(/went back by release 3 at .*: answers in French/);
    expect((await run('releases', 'show', '1')).stdout).toContain('nothing -> 1  replaced');
    expect((await run('releases', 'show', '3')).stdout).toContain('2 -> 1  live');
  });

  it('numbers every release, on a narrow terminal too', async () => {
    released(
      place,
      null,
      1,
      'promoted',
      'a reason that is far too long for a terminal of eighty columns, as reasons are',
    );
    const narrow = await mlx(['releases'], { folder: place.folder, columns: 60 });
    expect(narrow.stdout.split('\n')[0]).toMatch(/^# +when/);
    expect(narrow.stdout).toContain('a reason th…');
    expect((await run('releases')).stdout).toContain('as reasons are');
  });

  it('calls live only what is: what came before was replaced', async () => {
    released(place, null, 1, 'promoted', 'first');
    released(place, 1, 2, 'promoted', 'better');
    const lines = (await run('releases')).stdout.trimEnd().split('\n');
    expect(lines.map((line) => /live|replaced|state/.exec(line)?.[0])).toEqual(['state', 'live', 'replaced']);
  });

  /** What `kill -9` while a server starts leaves behind. */
  function interrupted(): void {
    const row = { model: 'tickets', alias: 'production', fromVersion: 1, toVersion: 2, actor: 'ada', reason: 'new' };
    const promotionId = startPromotion(place.ledger, {
      ...row,
      kind: 'promote',
      owner: '1:1:dead',
      startedAtMs: now,
    });
    const subject = JSON.stringify({ step: 'start', serverId: 'tickets-v2-a1b2', engine: 'host' });
    beginStep(place.ledger, { promotionId, step: 'start', subject, begunAtMs: now + 40 });
  }

  it('show one release step by step, after undoing what its killed command had begun', async () => {
    released(place, null, 1, 'promoted', 'first');
    interrupted();
    const shown = await run('releases', 'show', '2');
    expect(shown.stdout).toMatch(
      /release 2 {2}promote of tickets@production: 1 -> 2 {2}failed OWNER_DIED\nby ada at .*: new/,
    );
    expect(shown.stdout).toMatch(/start +undone +40 ms +\S/);
    expect(shown.stderr).toContain('was interrupted: it is undone');
    expect((await json('releases', 'show', '2')).value).toMatchObject({
      state: 'failed',
      steps: [{ step: 'start', state: 'undone', subject: { server_id: 'tickets-v2-a1b2' } }],
    });
    expect(await json('releases', 'show', '9')).toMatchObject({ status: 2, value: { error: { code: 'NOT_FOUND' } } });
  });

  it('recover what was interrupted, and say beforehand what that is', async () => {
    released(place, null, 1, 'promoted', 'first');
    interrupted();
    expect((await run('releases', 'recover', '--dry-run')).stdout).toContain(
      'release 2, promote of tickets to version 2, would be undone',
    );
    expect((await json('releases', 'recover')).value).toMatchObject({ recovered: [{ id: 2, to_version: 2 }] });
    expect((await run('releases', 'recover')).stdout).toBe('Nothing is left over.\n');
  });
});
