// An engine whose jobs are scripted trainers: they write their files, say their lines, and react to being stopped.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import type { Engine, EngineKind, Job, JobExit, JobStreams, RuntimeDescription } from '../../../src/engine/engine.js';
import { MlxError } from '../../../src/errors.js';
import { tinyWeights } from './examples.js';

/** What the trainer inside a job can do. `waitForStop` resolves when mlx asks it to stop. */
export type Trainer = (inside: {
  job: Job;
  folder: (mount: string) => string;
  say: (event: object) => void;
  log: (line: string) => void;
  waitForStop: () => Promise<void>;
}) => Promise<Partial<JobExit>> | Partial<JobExit>;

export type FakeEngine = Engine & {
  jobs: Job[];
  /** Jobs that nobody ended: what a dead mlx leaves behind. */
  leftovers: Set<string>;
  trainer: Trainer;
  unreachable: boolean;
  /** What stands installed today. */
  runtime: RuntimeDescription;
  /** What is still there of earlier ones. */
  earlier: RuntimeDescription[];
};

export function fakeEngine(trainer: Trainer = goodTrainer, kind: EngineKind = 'host'): FakeEngine {
  const engine: FakeEngine = {
    ...unusedParts,
    kind,
    description: 'scripted',
    jobs: [],
    leftovers: new Set(),
    trainer,
    unreachable: false,
    earlier: [],
    runtime: {
      reference: 'trainer.txt@1',
      id: 'lock-1',
      python: '3.11.9',
      installed: { numpy: '2.4.6', torch: '2.13.0', trl: '1.8.0' },
    },
    describeRuntime: (_name, id) => Promise.resolve(engine.earlier.find((each) => each.id === id) ?? engine.runtime),
    prepareRuntime: (name) => Promise.resolve({ name, id: 'lock-1', reference: 'scripted' }),
    runJob: async (job, streams) => {
      engine.jobs.push(job);
      const exit = await engine.trainer(insideOf(job, streams));
      return { status: 0, signal: null, outOfMemory: false, seal: 'namespace', ...exit };
    },
    stopJob: (id) => {
      if (engine.unreachable) return Promise.reject(new MlxError('DOCKER_UNREACHABLE', 'No Engine answers.'));
      return Promise.resolve(engine.leftovers.delete(id));
    },
  };
  return engine;
}

function insideOf(job: Job, { onStdout, onStderr, signal }: JobStreams): Parameters<Trainer>[0] {
  return {
    job,
    folder: (mount) => job.mounts.find(({ name }) => name === mount)?.source ?? '',
    say: (event) => onStdout(JSON.stringify(event)),
    log: onStderr,
    waitForStop: () =>
      signal.aborted ? Promise.resolve() : new Promise((resolve) => signal.addEventListener('abort', () => resolve())),
  };
}

/** Two steps, better scores afterwards, an adapter. */
export const goodTrainer: Trainer = ({ folder, say, log }) => {
  log('loading');
  say({ event: 'started', device: 'cpu', device_name: 'AMD EPYC', threads: 2, versions: { torch: '2.13.0' } });
  say({ event: 'phase', phase: 'score_base' });
  say(score('base', 3.2, 0));
  say({ event: 'phase', phase: 'train' });
  say(step(1, 2.5));
  say(step(2, 1.5));
  say(score('tuned', 0.4, 0.8));
  say({ event: 'example', row: 0, prompt: 'My invoice is wrong', expected: '{"a":1}', base: 'My', tuned: '{"a":1}' });
  writeAdapter(folder('out'));
  say({
    event: 'result',
    steps: 2,
    train_loss: 2,
    tokens: 64,
    train_duration_ms: 900,
    duration_ms: 1500,
    peak_memory_gib: 0.5,
    output: 'adapter',
  });
  return {};
};

export function writeAdapter(out: string): void {
  mkdirSync(join(out, 'adapter'), { recursive: true });
  writeFileSync(join(out, 'adapter', 'adapter_model.safetensors'), tinyWeights('adapter'));
  writeFileSync(join(out, 'adapter', 'adapter_config.json'), '{}');
}

export function writeCheckpoint(out: string, number: number): void {
  mkdirSync(join(out, 'checkpoints', `checkpoint-${number}`), { recursive: true });
}

export function step(number: number, loss: number): object {
  return {
    event: 'step',
    step: number,
    total_steps: 2,
    epoch: number / 2,
    loss,
    learning_rate: 0.001,
    grad_norm: 1,
    tokens_per_second: 900,
    memory_gib: 0.5,
    eta_ms: 1000,
  };
}

export function score(subject: string, loss: number, exactMatch: number): object {
  return {
    event: 'score',
    subject,
    loss,
    perplexity: Math.exp(loss),
    exact_match: exactMatch,
    rows: 2,
    tokens: 20,
    duration_ms: 100,
  };
}

const unused = (): never => {
  throw new Error('a training needs no such thing');
};

const unusedParts = {
  oldRuntimes: unused,
  removeRuntime: unused,
  packageVersion: unused,
  tagVersion: unused,
  untagVersion: unused,
  findVersion: unused,
  startServer: unused,
  stopServer: unused,
  setRestart: unused,
  swapObstacle: unused,
  listServers: unused,
  measureServer: unused,
  startService: unused,
  stopService: unused,
  serviceState: unused,
  logs: unused,
};
