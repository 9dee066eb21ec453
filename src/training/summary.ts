// One ended or running run as people and programs read it: `mlx train`, `mlx runs show`.
import { existsSync, readFileSync } from 'node:fs';

import { latestMetrics, runDatasets, runParams, type RunDataset } from '../ledger/metrics.js';
import type { Ledger } from '../ledger/open.js';
import type { Run } from '../ledger/runs.js';
import { runFolder } from './run-folder.js';
import { stateNow } from './state-now.js';

export type Score = { loss: number; perplexity: number; exactMatch: number };

export type Example = { row: number; prompt: string; expected: string; base: string; tuned: string };

export type RunSummary = {
  run: string;
  recipe: string;
  model: string;
  state: Run['state'];
  method: string;
  baseModel: string;
  baseCommit: string;
  seed: number;
  engine: Run['engine'];
  seal: string | null;
  device: string | null;
  startedAtMs: number;
  endedAtMs: number | null;
  steps: number | null;
  tokens: number | null;
  scores: { base: Score | null; tuned: Score | null };
  /** Time at work, without the pauses between a stop and a resume; null until the run ends. */
  durationMs: number | null;
  finalLoss: number | null;
  trainDurationMs: number | null;
  peakMemoryGib: number | null;
  /** mlx's own time around the trainer: everything but the trainer, downloads and installs. */
  wrapperMs: number | null;
  adapterSha256: string | null;
  mlflow: { runId: string | null; synced: boolean };
  error: { code: string; message: string; hint: string | null } | null;
  examples: Example[];
  datasets: RunDataset[];
  folder: string;
  /** Everything that the run resolved to, and what came out; null until it is finished. */
  lock: string | null;
  /** The run that this one repeats. */
  replayOf: string | null;
  /** The command to type next. */
  next: string | null;
};

export function summariseRun(ledger: Ledger, runs: string, run: Run): RunSummary {
  const metrics = latestMetrics(ledger, run.id);
  const folder = runFolder(runs, run.id);
  const { recipe, method, baseModel, baseCommit, seed, engine, seal, device, startedAtMs, endedAtMs } = run;
  return {
    run: run.id,
    recipe,
    model: runParams(ledger, run.id)['model'] ?? recipe,
    state: stateNow(run),
    method,
    baseModel,
    baseCommit,
    seed,
    engine,
    seal,
    device,
    startedAtMs,
    endedAtMs,
    steps: run.steps,
    tokens: run.tokens,
    scores: { base: scoreOf(metrics, 'base'), tuned: scoreOf(metrics, 'tuned') },
    durationMs: metrics['duration_ms'] ?? null,
    finalLoss: metrics['train/loss'] ?? null,
    trainDurationMs: metrics['train/duration_ms'] ?? null,
    peakMemoryGib: metrics['peak_memory_gib'] ?? null,
    wrapperMs: metrics['wrapper_ms'] ?? null,
    adapterSha256: run.adapterSha256,
    mlflow: { runId: run.mlflowRunId, synced: run.mlflowSynced === 1 },
    error:
      run.errorCode === null ? null : { code: run.errorCode, message: run.errorMessage ?? '', hint: run.errorHint },
    examples: readExamples(folder.examples),
    datasets: runDatasets(ledger, run.id),
    folder: folder.folder,
    lock: existsSync(folder.lock) ? folder.lock : null,
    replayOf: run.replayOf,
    next: nextCommand({ ...run, state: stateNow(run) }, existsSync(folder.adapter) || existsSync(folder.model)),
  };
}

function scoreOf(metrics: Record<string, number>, subject: 'base' | 'tuned'): Score | null {
  const loss = metrics[`held_out/${subject}/loss`];
  const perplexity = metrics[`held_out/${subject}/perplexity`];
  const exactMatch = metrics[`held_out/${subject}/exact_match`];
  if (loss === undefined || perplexity === undefined || exactMatch === undefined) return null;
  return { loss, perplexity, exactMatch };
}

function readExamples(file: string): Example[] {
  if (!existsSync(file)) return [];
  const rows = JSON.parse(readFileSync(file, 'utf8')) as Example[];
  return rows.map(({ row, prompt, expected, base, tuned }) => ({ row, prompt, expected, base, tuned }));
}

function nextCommand({ id, state }: Run, hasWeights: boolean): string | null {
  if (state === 'finished') return hasWeights ? `mlx package ${id}` : null;
  if (state === 'running') return `mlx runs logs ${id} -f`;
  return state === 'failed' ? null : `mlx train --resume ${id}`;
}
