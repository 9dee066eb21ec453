// What went through the gateway, and how budgets stand, as commands tell it.
import { beforeEach, describe, expect, it } from 'vitest';

import { projectPaths } from '../../src/config/paths.js';
import { insertKey, type Limits } from '../../src/ledger/keys.js';
import { openTraffic, type TrafficRow } from '../../src/ledger/traffic.js';
import { trafficRow } from '../unit/ledger/traffic-example.js';
import { mlx, mlxJson } from './mlx.js';
import { project, type Place } from './runs-project.js';

let place: Place;
beforeEach(() => void (place = project()));

const run = (...argv: string[]) => mlx(argv, { folder: place.folder });
const json = async (...argv: string[]) =>
  (await mlxJson(argv, { folder: place.folder })).value as Record<string, unknown>;

function insert(...rows: Partial<TrafficRow>[]): void {
  const traffic = openTraffic(projectPaths(place.folder, {}).trafficFile);
  traffic.insert(rows.map((row) => trafficRow({ startedAtMs: Date.now(), ...row })));
  traffic.close();
}

const noLimits = {
  ...{ usdPerDay: null, usdPerMonth: null, tokensPerDay: null },
  ...{ tokensPerMonth: null, requestsPerMinute: null, tokensPerMinute: null },
};

function addKey(key: { id: string; name: string; limits?: Limits }): void {
  const plain = { tenant: null, features: [], models: [], limits: noLimits, createdAtMs: 1, sha256: '00' };
  insertKey(place.ledger, { ...plain, ...key });
}

describe('mlx traffic', () => {
  it('says what there is, in a table and as one document', async () => {
    expect((await run('traffic')).stdout).toContain('No request since');
    insert(
      { feature: 'search' },
      { feature: 'search', durationMs: 1500 },
      { feature: 'chat', status: 500, costUsd: null, price: null },
    );
    const { stdout } = await run('traffic', '--by', 'feature');
    expect(
      stdout.split('\n').map((line) =>
        line
          .trim()
          .split(/\s{2,}/)
          .slice(0, 3),
      ),
    ).toEqual([
      ['feature', 'requests', 'errors'],
      ['search', '2', '0'],
      ['chat', '1', '1'],
      ['all', '3', '1'],
      [
        expect.stringMatching(
          /^-- and \*: 1 request has no known price, .*gateway.hardware.usd_per_hour for local models/,
        ),
      ],
      [''],
    ]);
    expect(await json('traffic', '--by', 'feature')).toMatchObject({
      by: 'feature',
      total: { requests: 3, input_tokens: 30, cost_usd: 0.5 },
      groups: [{ group: 'search', latency_ms: { p50: 20, p99: 1500 }, first_token_ms: { p50: 5 } }, { group: 'chat' }],
    });
  });

  it('shows no cost where no price is known, marks one that is not whole, and says nothing where it is', async () => {
    const cost = async () =>
      (await run('traffic', '--by', 'feature')).stdout.split('\n').map((line) => /\$[\d.]+\*?|--/.exec(line)?.[0]);
    insert({ feature: 'known', costUsd: 0.5 }, { feature: 'known', costUsd: 0 });
    expect(await cost()).toEqual([undefined, '$0.50', '$0.50', undefined]);
    // A local model without a price, and a request of its that was refused: it used nothing.
    const local = { feature: 'local', costUsd: null, price: null };
    insert(local, { ...local, status: 401, inputTokens: null, outputTokens: null });
    insert({ ...local, feature: 'mixed' }, { feature: 'mixed', costUsd: 0 }, { feature: 'mixed', costUsd: 0 });
    expect(await cost()).toEqual([undefined, '$0.50', '$0.00*', '--', '$0.50*', '--', undefined]);
  });

  it('shows keys with their names, and those that are gone by their ids', async () => {
    addKey({ id: 'abcdefghjk', name: 'billing-app' });
    insert({ keyId: 'abcdefghjk', requestId: 'req_a' }, { keyId: 'gone' });
    const { stdout } = await run('traffic', '--by', 'key');
    expect(stdout).toMatch(/^billing-app \(abcdefghjk\) +1 .*^gone +1 /ms);
    expect((await run('explain', 'req_a')).stdout).toContain('asked by   billing-app (abcdefghjk)');
    expect(await json('traffic', '--by', 'key')).toMatchObject({
      groups: [{ group: 'abcdefghjk' }, { group: 'gone' }],
    });
  });

  it('follows requests as they end, until it is stopped', async () => {
    insert({ requestId: 'req_old' });
    const stop = new AbortController();
    const following = mlx(['traffic', '--follow', '--json'], {
      folder: place.folder,
      signal: stop.signal,
      onStdout: () => stop.abort(),
    });
    for (let round = 0; !stop.signal.aborted; round += 1) {
      insert({ requestId: `req_${round}` });
      await new Promise((resolve) => setImmediate(resolve));
    }
    const lines = (await following).stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(lines[0]).toMatchObject({ event: 'request', cost_usd: 0.25, estimated: false });
    expect(lines.map((line) => line['request_id'])).not.toContain('req_old');
    expect(lines.at(-1)).toMatchObject({ event: 'end', requests: lines.length - 1 });
  });

  it('ends quietly with Ctrl-C, and shows of each request the id that mlx explain takes', async () => {
    insert();
    const stop = new AbortController();
    const following = mlx(['traffic', '--follow'], {
      folder: place.folder,
      signal: stop.signal,
      onStdout: () => stop.abort('SIGINT'),
    });
    while (!stop.signal.aborted) {
      insert({ requestId: 'req_new' });
      await new Promise((resolve) => setImmediate(resolve));
    }
    const { stdout, stderr, status } = await following;
    expect(stdout).toMatch(/ req_new\n/);
    expect({ stderr, status }).toEqual({ stderr: '', status: 130 });
  });

  it.each([
    [['--follow', '--by', 'key'], "'--by <what>' cannot be used with option '-f, --follow'"],
    [['--follow', '--since', '1h'], "'--since <time>' cannot be used with option '-f, --follow'"],
    [['--since', 'yesterday'], "not 'yesterday'"],
    [['--since', '2026-13-40'], 'no day 2026-13-40'],
    [['--by', 'colour'], 'colour'],
  ])('%j is refused', async (argv, why) => {
    const refused = await run('traffic', ...argv);
    expect(refused.status).toBe(2);
    expect(refused.stderr).toContain(why);
  });
});

describe('mlx explain', () => {
  it('names the newest answers where it does not know one', async () => {
    const hint = async () => (await run('explain', 'abc')).stderr;
    expect(await hint()).toContain('No request has come yet.');
    insert(...['req_1', 'req_2', 'req_3', 'req_4'].map((requestId) => ({ requestId })));
    expect(await hint()).toContain('The newest: req_4, req_3, req_2. Answers carry their id');
    expect((await run('explain', 'req_4')).status).toBe(0);
    const id = 'req_01a1ffb5-7a5b-757b-bc67-f4d600302c17';
    insert({ requestId: id });
    expect(await json('explain', `msg_${id}`)).toMatchObject({ request: { request_id: id } });
  });
});

describe('mlx budgets', () => {
  it('shows what is used and left, also while no gateway runs', async () => {
    expect((await run('budgets')).stdout).toContain('no budget');
    const limits = { ...noLimits, usdPerDay: 1, tokensPerMonth: 1_000_000, requestsPerMinute: 5 };
    addKey({ id: 'abcdefghjk', name: 'billing-app', limits });
    insert({ keyId: 'abcdefghjk', costUsd: 0.85 }, { keyId: 'other', costUsd: 9 });
    expect(await json('budgets')).toMatchObject({
      gateway_runs: false,
      budgets: [
        { account: 'key:abcdefghjk', name: 'billing-app', limit: 'usdPerDay', allowed: 1, used: 0.85, state: 'near' },
        { limit: 'tokensPerMonth', allowed: 1_000_000, used: 15, left: 999_985, state: 'ok' },
      ],
    });
    // A share of what is used beside what is left would be read as the share that is left.
    const [head = '', first] = (await run('budgets')).stdout.split('\n');
    expect(head.trim().split(/\s{2,}/)).toEqual(['account', 'limit', 'used', 'reserved', 'left', 'begins anew']);
    expect(first).toMatch(
      /key:abcdefghjk \(billing-app\) +USD a day +\$0\.85 of \$1\.00 \(85 %\) +\$0\.00 +\$0\.15 +\d{4}-/,
    );
  });
});
