// Real training on the host engine: a small model, a few steps, and each way it can be interrupted.
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';

import { packageRoot } from '../../src/config/paths.js';
import { latestMetrics, metricHistory } from '../../src/ledger/metrics.js';
import { openLedger } from '../../src/ledger/open.js';
import { findRun } from '../../src/ledger/runs.js';
import { mlx, mlxJson } from '../command/mlx.js';
import { testEnvironment, type Project } from './project.js';
import { makeTinyModel, ticketsProject } from './tickets-project.js';

const recipe = (baseModel: string): string => `base_model: { path: ${baseModel} }
dataset: { train: data/tickets.jsonl, held_out: data/tickets-held-out.jsonl }
lora: { lora_dropout: 0.1 }
trainer: { max_steps: 6, learning_rate: 0.002, per_device_train_batch_size: 4, max_length: 256, logging_steps: 1, save_steps: 2 }
evaluation: { limit: 4, max_new_tokens: 12, examples: 2 }
`;

/** The program as a process of its own, with its JSON lines. */
function startMlx(
  project: Project,
  argv: string[],
): { child: ChildProcess; until: (event: string) => Promise<Record<string, unknown>> } {
  const child = spawn(process.execPath, [join(packageRoot(), 'bin', 'mlx.js'), ...argv, '--json'], {
    cwd: project.paths.project,
    env: project.environment,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const until = async (event: string): Promise<Record<string, unknown>> => {
    for (;;) {
      const next = await lines.next();
      if (next.done === true) throw new Error(`mlx ended before it said ${event}`);
      const said = JSON.parse(next.value) as Record<string, unknown>;
      if (said['event'] === event) return said;
    }
  };
  return { child, until };
}

const exitOf = (child: ChildProcess): Promise<number | null> =>
  new Promise((resolve) => child.once('exit', (status) => resolve(status)));

let baseModel = '';

/** Of the first test, which the others compare with. */
let uninterrupted: { adapterSha256: string | null; losses: number[] };

describe('a real training', () => {
  beforeAll(async () => {
    const folder = mkdtempSync(join(tmpdir(), 'mlx-tiny-'));
    baseModel = join(folder, 'base');
    await makeTinyModel(testEnvironment(folder), baseModel);
    return () => rmSync(folder, { recursive: true, force: true });
  });

  it('is scored before and after, and leaves an adapter', async () => {
    const project = ticketsProject(recipe(baseModel));
    const { value, status, stderr } = await mlxJson(['train'], {
      folder: project.folder,
      environment: project.environment,
    });
    expect(stderr).toBe('');
    expect(status).toBe(0);
    const summary = value as { run: string; adapter_sha256: string };
    const ledger = openLedger(project.paths.ledgerFile);
    expect(value).toMatchObject({
      state: 'finished',
      steps: 6,
      seal: expect.stringMatching(/namespace|environment/),
      scores: { base: { exact_match: expect.any(Number) }, tuned: { exact_match: expect.any(Number) } },
      examples: [{ base: expect.any(String), tuned: expect.any(String) }, {}],
    });
    const folder = join(project.paths.runs, summary.run);
    for (const file of ['spec.json', 'events.jsonl', 'trainer.log', 'out/adapter/adapter_config.json']) {
      expect(existsSync(join(folder, file)), file).toBe(true);
    }
    const metrics = latestMetrics(ledger, summary.run);
    expect(metrics['held_out/tuned/loss']).toBeLessThan(metrics['held_out/base/loss'] ?? 0);
    uninterrupted = {
      adapterSha256: summary.adapter_sha256,
      losses: metricHistory(ledger, summary.run, 'train/loss').map(({ value: loss }) => loss),
    };
    expect(uninterrupted.losses).toHaveLength(6);
  });

  it('that is stopped and resumed gives the very same adapter and the same losses', async () => {
    const project = ticketsProject(recipe(baseModel));
    const { child, until } = startMlx(project, ['train']);
    const { run } = await until('run');
    while (Number((await until('step'))['step']) < 3);
    child.kill('SIGINT');
    expect(await exitOf(child)).toBe(130);
    const ledger = openLedger(project.paths.ledgerFile);
    expect(findRun(ledger, String(run))).toMatchObject({ state: 'stopped', owner: null });

    const resumed = await mlxJson(['train', '--resume', String(run)], {
      folder: project.folder,
      environment: project.environment,
    });
    expect(resumed.value).toMatchObject({ run, state: 'finished', adapter_sha256: uninterrupted.adapterSha256 });
    expect(metricHistory(ledger, String(run), 'train/loss').map(({ value: loss }) => loss)).toEqual(
      uninterrupted.losses,
    );
  });

  it('whose mlx is killed is lost, leaves no trainer behind, and can go on', async () => {
    const project = ticketsProject(recipe(baseModel));
    const { child, until } = startMlx(project, ['train']);
    const { run } = await until('run');
    while (Number((await until('step'))['step']) < 3);

    const second = await mlx(['train'], { folder: project.folder, environment: project.environment });
    expect(second).toMatchObject({ status: 7, stderr: expect.stringContaining(String(run)) });

    child.kill('SIGKILL');
    await exitOf(child);
    const { stdout, stderr } = await mlx(['runs', 'ls'], { folder: project.folder, environment: project.environment });
    expect(stdout).toContain('lost');
    expect(stderr).toContain(`mlx train --resume ${String(run)}`);
    expect(trainersOf(project)).toEqual([]);
    const resumed = await mlxJson(['train', '--resume', String(run)], {
      folder: project.folder,
      environment: project.environment,
    });
    expect(resumed.value).toMatchObject({ run, state: 'finished', adapter_sha256: uninterrupted.adapterSha256 });
  });

  it('in the background goes on when its command has ended, and can be followed to its end', async () => {
    const project = ticketsProject(recipe(baseModel));
    const place = { folder: project.folder, environment: project.environment };
    const { value, status } = await mlxJson(['train', '--detach', '--name', 'quiet'], place);
    expect(status).toBe(0);
    const { run } = value as { run: string };
    expect(run).toMatch(/^quiet-/);
    const followed = await mlx(['runs', 'logs', run, '-f'], place);
    expect(followed.stdout).toMatch(/step +6\/6/);
    expect((await mlxJson(['runs', 'show', run], place)).value).toMatchObject({
      state: 'finished',
      adapter_sha256: uninterrupted.adapterSha256,
    });
  });

  it('in the background is ended by mlx runs stop, and can go on', async () => {
    const project = ticketsProject(recipe(baseModel));
    const place = { folder: project.folder, environment: project.environment };
    const { value } = await mlxJson(['train', '--detach', '--set', 'trainer.max_steps=400'], place);
    const { run } = value as { run: string };
    const stopped = await mlxJson(['runs', 'stop', run], place);
    expect(stopped.value).toEqual({ run, state: 'stopped', stopped: true });
    expect(trainersOf(project)).toEqual([]);
    expect(findRun(openLedger(project.paths.ledgerFile), run)).toMatchObject({ state: 'stopped', owner: null });
  });
});

/** Command lines of processes that still work for this project. */
function trainersOf(project: Project): string[] {
  const lines = execFileSync('ps', ['-eo', 'args'], { encoding: 'utf8' }).split('\n');
  return lines.filter((line) => line.includes('train.py') && line.includes(project.paths.project));
}
