// What a switch needs of the outside, wired from the edges of a command.
import { channel } from 'node:diagnostics_channel';
import { mkdirSync, writeFileSync } from 'node:fs';
import { freemem } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

import type { Paths } from '../config/paths.js';
import type { Config } from '../config/schema.js';
import type { Engine, EngineKind, OnProgress } from '../engine/engine.js';
import { MlxError } from '../errors.js';
import type { GatewayControl } from '../gateway/control.js';
import { ensureGateway } from '../gateway/ensure.js';
import type { Ledger } from '../ledger/open.js';
import type { ModelVersion } from '../ledger/versions.js';
import type { Output } from '../output/output.js';
import { findBaseModel } from '../training/base-model.js';
import { runFolder } from '../training/run-folder.js';
import type { FailPoint } from './journal.js';
import type { StepName } from './subjects.js';

/** `said`: the line without its time, which is new at every look. */
export type Look = { line: string; said: string; fraction: number };

export type PromotionEdges = {
  ledger: Ledger;
  engine: (kind: EngineKind) => Promise<Engine>;
  /** Makes sure that it runs: one that was killed meanwhile is started again, with the ledger's routes. */
  gateway: () => Promise<Pick<GatewayControl, 'state' | 'confirmRoute' | 'readRows'>>;
  /** @throws MlxError BASE_MODEL_MISSING */
  baseModelFolder: (version: ModelVersion) => string;
  /** What a version's weights take: the files of its base model. null: the base is not on this machine. */
  weightBytes: (version: ModelVersion) => number | null;
  /** Of the machine, for whoever sleeps. */
  freeMemoryBytes: () => number;
  heldOutFile: (runId: string) => string;
  /** evals/golden.jsonl of the project. */
  goldenFile: string;
  /** Requests so far, for a watch. */
  trafficFile: string;
  /** Keeps the lines of a candidate that failed, whose container is removed; says in which file. */
  keepLines: (serverId: string, lines: readonly string[]) => string;
  gpu: boolean;
  readyTimeoutMs: number;
  /** How many times as long as the live version a new one may take for an answer; 0: not checked. */
  maxSlowdown: number;
  drainTimeoutMs: number;
  /** How long requests wait at most where there is no room for two servers. */
  maxHoldMs: number;
  /** 0: the old server is stopped at once. */
  keepWarmMs: number;
  now: () => Date;
  clock: () => number;
  /** Ends early with `signal`: the edges' own, or that of work which Ctrl-C does not end. */
  pause: (durationMs: number, signal: AbortSignal) => Promise<void>;
  signal: AbortSignal;
  onStep: (step: StepName, line: string) => void;
  onProgress: OnProgress;
  /** How a version that is watched stands now. */
  onLook: (look: Look) => void;
  onNote: (line: string) => void;
  failPoint: (point: FailPoint) => Promise<void>;
};

/** Nobody listens but a test that wants the command to die at one of its steps, which no timing could hit. */
const failPoints = channel('mlx.promotion');

/** The parts of a command's context that a switch uses. */
export type CommandEdges = {
  paths: () => Paths;
  config: () => Promise<Config>;
  ledger: () => Promise<Ledger>;
  engine: (kind?: EngineKind) => Promise<Engine>;
  environment: NodeJS.ProcessEnv;
  output: Output;
  now: () => Date;
  signal: AbortSignal;
};

export async function openPromotionEdges(command: CommandEdges): Promise<PromotionEdges> {
  const { environment, output, now, signal } = command;
  const paths = command.paths();
  const config = await command.config();
  const port = config.gateway.port;
  const note = once(output.note);
  return {
    ledger: await command.ledger(),
    engine: command.engine,
    gateway: async () => (await ensureGateway({ paths, port, move: false, environment, note })).control,
    baseModelFolder: (version) => baseModelFolder(paths, version),
    weightBytes: ({ baseModel, baseCommit }) => findBaseModel(paths, baseModel, baseCommit)?.sizeBytes ?? null,
    freeMemoryBytes: freemem,
    heldOutFile: (runId) => join(runFolder(paths.runs, runId).data, 'held_out.jsonl'),
    goldenFile: join(paths.project, 'evals', 'golden.jsonl'),
    trafficFile: paths.trafficFile,
    keepLines: (serverId, lines) => keepLines(join(paths.run, 'failed'), serverId, lines),
    gpu: config.gpu !== 'off',
    readyTimeoutMs: config.serving.readyTimeoutMs,
    maxSlowdown: config.serving.maxSlowdown,
    drainTimeoutMs: config.serving.drainTimeoutMs,
    maxHoldMs: config.serving.maxHoldMs,
    keepWarmMs: config.serving.keepWarmMs,
    now,
    clock: () => performance.now(),
    pause: async (durationMs, until) => {
      await pause(durationMs, undefined, { signal: until }).catch(() => undefined);
    },
    signal,
    onStep: (step, line) => output.progress({ event: 'promotion_step', step, line }, line),
    onProgress: (line, fraction) => output.progress({ event: 'progress', line, fraction }, line),
    onLook: ({ line, said, fraction }) => output.tick({ event: 'progress', line, fraction }, line, said),
    onNote: (line) => output.progress({ event: 'note', line }, line),
    failPoint: async (point) => failPoints.publish(point),
  };
}

/** The gateway is asked for at every step. */
function once(note: (line: string) => void): (line: string) => void {
  const said = new Set<string>();
  return (line) => {
    if (!said.has(line)) note(line);
    said.add(line);
  };
}

function keepLines(folder: string, serverId: string, lines: readonly string[]): string {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const file = join(folder, `${serverId}.log`);
  writeFileSync(file, `${lines.join('\n')}\n`, { mode: 0o600 });
  return file;
}

function baseModelFolder(paths: Paths, { model, version, baseModel, baseCommit }: ModelVersion): string {
  const found = findBaseModel(paths, baseModel, baseCommit);
  if (found) return found.folder;
  const reference = baseModel === 'mlx/demo-base' ? baseModel : `${baseModel}@${baseCommit}`;
  throw new MlxError(
    'BASE_MODEL_MISSING',
    `${model}:${version} needs ${baseModel} (commit ${baseCommit.slice(0, 12)}), which is not on this machine or was changed.`,
    { hint: `Fetch it again: mlx pull ${reference}` },
  );
}
