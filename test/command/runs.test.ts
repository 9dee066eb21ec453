import { existsSync, readdirSync, writeFileSync } from 'node:fs';

import { beforeEach, describe, expect, it, vi } from 'vitest';

import { run as remove } from '../../src/commands/runs-rm.js';
import { openContext, type Context } from '../../src/context.js';
import { findRun, updateRun } from '../../src/ledger/runs.js';
import { insertVersion } from '../../src/ledger/versions.js';
import type { Output } from '../../src/output/output.js';
import { runFolder } from '../../src/training/run-folder.js';
import { stateNow } from '../../src/training/state-now.js';
import { summariseRun } from '../../src/training/summary.js';
import { mlx, mlxJson } from './mlx.js';
import { addRun, failed, now, project, type Place } from './runs-project.js';

beforeEach(() => {
  vi.useFakeTimers({ now, toFake: ['Date'] });
  return () => vi.useRealTimers();
});

describe('mlx runs ls', () => {
  it('shows the newest first, base against tuned', async () => {
    const place = project();
    addRun(place, 'tickets-000001', 90);
    addRun(place, 'tickets-000002', 30, failed());
    const { stdout, status } = await mlx(['runs', 'ls'], { ...place, columns: 80 });
    expect(status).toBe(0);
    expect(stdout).toMatchInlineSnapshot(`
      "run             state                 started           took  exact match
      tickets-000002  failed OUT_OF_MEMORY  30 min ago  1 min 30 s   0 % → 80 %
      tickets-000001  finished              1 h ago     1 min 30 s   0 % → 80 %
      "
    `);
  });

  it('finds the best by a metric, in the direction that is better', async () => {
    const place = project();
    addRun(place, 'tickets-000001', 90, {}, 0.7);
    addRun(place, 'tickets-000002', 60, {}, 0.9);
    addRun(place, 'tickets-000003', 30, failed(), 0.8);
    const ids = async (...flags: string[]): Promise<unknown> =>
      ((await mlxJson(['runs', 'ls', ...flags], place)).value as { runs: { run: string }[] }).runs.map(
        ({ run }) => run,
      );
    expect(await ids('--sort', 'exact_match')).toEqual(['tickets-000002', 'tickets-000003', 'tickets-000001']);
    expect(await ids('--sort', 'exact_match', '--reverse', '--limit', '1')).toEqual(['tickets-000001']);
    expect(await ids('--state', 'failed')).toEqual(['tickets-000003']);
    expect(await ids('--recipe', 'other')).toEqual([]);
    expect(await ids('--sort', 'loss')).toHaveLength(3);
  });

  it('names the metrics there are when one is unknown', async () => {
    const place = project();
    addRun(place, 'tickets-000001', 90);
    const { stderr, status } = await mlx(['runs', 'ls', '--sort', 'accuracy'], place);
    expect(status).toBe(2);
    expect(stderr).toContain("No run has a metric 'accuracy'.");
    expect(stderr).toContain('held_out/tuned/exact_match');
  });

  it('says that there are more', async () => {
    const place = project();
    for (const number of [1, 2, 3]) addRun(place, `tickets-00000${number}`, number);
    expect((await mlxJson(['runs', 'ls', '--limit', '2'], place)).value).toMatchObject({ more: true });
    expect((await mlxJson(['runs', 'ls', '--limit', '2', '--all'], place)).value).toMatchObject({ more: false });
    expect((await mlx(['runs', 'ls', '--limit', 'two'], place)).status).toBe(2);
  });

  it('marks a run lost whose mlx died', async () => {
    const place = project();
    addRun(place, 'tickets-000001', 90, { state: 'running', owner: '4194303:1:00000000', endedAtMs: null });
    const { stdout, stderr } = await mlx(['runs', 'ls'], place);
    expect(stdout).toContain('lost');
    expect(stderr).toContain('mlx train --resume tickets-000001');
  });

  it('knows a run as lost whose mlx died, also where the ledger still says that it runs', () => {
    const place = project();
    addRun(place, 'tickets-000001', 90, { state: 'running', owner: '4194303:1:00000000', endedAtMs: null });
    const run = findRun(place.ledger, 'tickets-000001');
    expect(run.state).toBe('running');
    expect(stateNow(run)).toBe('lost');
    expect(summariseRun(place.ledger, place.runs, run)).toMatchObject({ state: 'lost' });
  });
});

describe('mlx runs show', () => {
  it('shows scores, curve, examples and data to people', async () => {
    const place = project();
    addRun(place, 'tickets-000001', 90);
    const { stdout } = await mlx(['runs', 'show'], place);
    expect(stdout.replaceAll(place.folder, 'PROJECT')).toMatchInlineSnapshot(`
      "tickets-000001  finished

      base     mlx/demo-base at c0ffee00
      method   lora, seed 42
      ran on   cpu: AMD EPYC (host, sealed by namespace)
      trained  40 steps, 50,000 tokens
      took     1 min 30 s (training 1 min 0 s, mlx itself 0.4 s)
      memory   0.9 GiB at most
      adapter  sha256 ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff
      files    PROJECT/.mlx/runs/tickets-000001

      held-out rows  base  tuned
      loss           3.47  0.412
      perplexity     32.1   1.51
      exact match     0 %   80 %

      held-out row 3
      asked    My invoice is wrong
      expected {"a":1}
      base     My My My
      tuned    {"a":1}

      training loss, step 1 to 40
              3 ┼─╮
           2.64 ┤ ╰╮
          2.279 ┤  ╰─╮
          1.919 ┤    ╰──╮
          1.558 ┤       ╰──╮
          1.198 ┤          ╰───╮
         0.8372 ┤              ╰─────╮
         0.4768 ┤                    ╰────────────╮
         0.1163 ┤                                 ╰─────

      split   rows  sha256        from
      train  1,800  aaaaaaaaaaaa  data/tickets.jsonl

      next   mlx package tickets-000001
      "
    `);
  });

  it('gives programs the same and more', async () => {
    const place = project();
    addRun(place, 'tickets-000001', 90, failed());
    const { value } = await mlxJson(['runs', 'show', 'tickets-0'], place);
    expect(value).toMatchObject({
      run: 'tickets-000001',
      state: 'failed',
      scores: { base: { exact_match: 0 }, tuned: { exact_match: 0.8, perplexity: 1.51 } },
      error: { code: 'OUT_OF_MEMORY', hint: 'Lower what it needs.' },
      params: { 'lora.r': '16' },
      metrics: { 'held_out/tuned/loss': 0.412 },
      examples: [{ row: 3, expected: '{"a":1}' }],
    });
    expect((value as { loss_curve: unknown[] }).loss_curve).toHaveLength(40);
  });

  it('lets no escape code of a model reach the terminal', async () => {
    const place = project();
    addRun(place, 'tickets-000001', 90);
    expect((await mlx(['runs', 'show'], place)).stdout).not.toContain('\u001b[31minvoice');
  });

  it('names the newest runs when one does not exist', async () => {
    const place = project();
    addRun(place, 'tickets-000001', 90);
    const { stderr, status } = await mlx(['runs', 'show', 'orders-1'], place);
    expect(status).toBe(2);
    expect(stderr).toContain('tickets-000001');
  });
});

describe('mlx runs compare', () => {
  it('shows only what differs, with arrows for better and worse', async () => {
    const place = project();
    addRun(place, 'tickets-000001', 90, {}, 0.8, '16');
    addRun(place, 'tickets-000002', 30, {}, 0.9, '32');
    const { stdout } = await mlx(['runs', 'compare', 'tickets-000001', 'latest'], place);
    expect(stdout).toMatchInlineSnapshot(`
      "tickets-000002 against tickets-000001
        What tickets-000001 and tickets-000002 resolved to is not there any more: settings and metrics are compared alone.

      params  tickets-000001  tickets-000002
      lora.r              16              32

      data  no difference

      metrics                     tickets-000001  tickets-000002
      held_out/tuned/exact_match             0.8           0.9 ↑
      "
    `);
    expect((await mlxJson(['runs', 'compare', 'tickets-000001', 'latest'], place)).value).toEqual({
      runs: ['tickets-000001', 'tickets-000002'],
      params: [{ key: 'lora.r', values: ['16', '32'] }],
      data: [],
      metrics: [{ key: 'held_out/tuned/exact_match', values: [0.8, 0.9] }],
      explanations: [{ run: 'tickets-000002', against: 'tickets-000001', reasons: [expect.any(String)] }],
    });
  });

  it('refuses to compare a run with itself', async () => {
    const place = project();
    addRun(place, 'tickets-000001', 90);
    expect((await mlx(['runs', 'compare', 'latest', 'tickets-000001'], place)).status).toBe(2);
  });
});

describe('mlx runs logs', () => {
  it('prints the last lines', async () => {
    const place = project();
    addRun(place, 'tickets-000001', 90);
    expect((await mlx(['runs', 'logs', '-n', '2'], place)).stdout).toBe('step 1\nstep 2\n');
  });

  it('follows a run only while it runs', async () => {
    const place = project();
    addRun(place, 'tickets-000001', 90);
    expect((await mlx(['runs', 'logs', 'latest', '-f'], place)).stdout).toBe('loading\nstep 1\nstep 2\n');
    expect((await mlx(['logs', 'latest', '-f'], place)).stdout).toBe('loading\nstep 1\nstep 2\n');
  });
});

describe('mlx runs rm', () => {
  it('asks, deletes the row and frees the files', async () => {
    const place = project();
    addRun(place, 'tickets-000001', 90);
    const { folder } = runFolder(place.runs, 'tickets-000001');
    expect((await mlx(['runs', 'rm', 'latest'], place)).status).toBe(2);
    expect((await mlx(['runs', 'rm', 'latest', '--dry-run'], place)).stdout).toMatch(
      /^Would delete tickets-000001: 2\.\d KiB/,
    );
    expect(existsSync(folder)).toBe(true);
    expect((await mlxJson(['runs', 'rm', 'latest', '--yes'], place)).value).toMatchObject({
      removed: [{ run: 'tickets-000001', versions: [] }],
    });
    expect(existsSync(folder)).toBe(false);
    expect((await mlx(['runs', 'show', 'latest'], place)).status).toBe(2);
  });

  it('refuses a run that trains', async () => {
    const place = project();
    addRun(place, 'tickets-000001', 90, { state: 'running', owner: null, endedAtMs: null });
    expect((await mlx(['runs', 'rm', 'latest', '--yes'], place)).status).toBe(7);
  });

  it('leaves a run that was resumed or packaged while the person thought about it', async () => {
    const place = project();
    addRun(place, 'tickets-000001', 90, failed());
    const resumed = answering(place, () => updateRun(place.ledger, 'tickets-000001', { state: 'running' }));
    await expect(remove(resumed, ['tickets-000001'], {})).rejects.toMatchObject({ code: 'BUSY' });
    updateRun(place.ledger, 'tickets-000001', { state: 'finished' });
    const packaged = answering(place, () => addVersion(place));
    await expect(remove(packaged, ['tickets-000001'], {})).rejects.toMatchObject({ code: 'RUN_PACKAGED' });
    expect(existsSync(runFolder(place.runs, 'tickets-000001').folder)).toBe(true);
  });

  it('frees only the files of a packaged run, and only with --force', async () => {
    const place = project();
    addRun(place, 'tickets-000001', 90);
    addVersion(place);
    const { folder, lock, rows } = runFolder(place.runs, 'tickets-000001');
    for (const file of [lock, rows]) writeFileSync(file, 'kept');
    const refused = await mlx(['runs', 'rm', 'latest', '--yes'], place);
    expect(refused).toMatchObject({ status: 1, stderr: expect.stringContaining('tickets:1') });
    expect((await mlx(['runs', 'rm', 'latest', '--yes', '--force'], place)).status).toBe(0);
    expect(readdirSync(folder).sort()).toEqual(['run.lock.rows', 'run.lock.yaml']);
    expect((await mlxJson(['runs', 'show', 'latest'], place)).value).toMatchObject({ lock, next: null });
  });
});

function addVersion(place: Place): void {
  insertVersion(place.ledger, {
    model: 'tickets',
    version: 1,
    digest: 'sha256:1',
    engine: 'host',
    runId: 'tickets-000001',
    baseModel: 'mlx/demo-base',
    baseCommit: 'c0ffee00',
    settings: '{}',
    sizeBytes: 1,
    createdAtMs: now,
  });
}

/** A person who says yes after something else has happened. */
function answering({ folder }: Place, meanwhile: () => void): Context {
  const output: Output = {
    ...{ json: false, interactive: true, columns: 80 },
    ...{ progress: ignore, note: ignore, tick: () => undefined, stream: ignore, result: ignore, error: ignore },
    confirm: () => {
      meanwhile();
      return Promise.resolve(true);
    },
  };
  return openContext({
    flags: { yes: false, dryRun: false, engine: undefined, project: undefined },
    environment: { HOME: folder },
    workingDirectory: folder,
    output,
    signal: new AbortController().signal,
  });
}

function ignore(): void {}
