// MLflow over REST: the calls that mirroring a run needs, and nothing else knows.
// API: https://mlflow.org/docs/latest/api_reference/rest-api.html (2.0 paths, which MLflow 3 keeps).
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { Readable } from 'node:stream';

import { MlxError } from '../errors.js';
import type { MlflowAddress } from './address.js';
import type { MlflowBatch, MlflowDataset, MlflowTag } from './bodies.js';

const answerWithinMs = 10_000;

export type MlflowRunStatus = 'RUNNING' | 'FINISHED' | 'FAILED' | 'KILLED';

export type MlflowRun = { runId: string; artifactUri: string };

export type Mlflow = {
  experimentId: (name: string) => Promise<string>;
  createRun: (experimentId: string, runName: string, startedAtMs: number, tags: MlflowTag[]) => Promise<MlflowRun>;
  /** undefined when the server does not know it (any more). */
  findRun: (runId: string) => Promise<MlflowRun | undefined>;
  /** The first run of the experiment that has this tag. */
  findTagged: (experimentId: string, tag: MlflowTag) => Promise<MlflowRun | undefined>;
  updateRun: (runId: string, status: MlflowRunStatus, endedAtMs: number | null) => Promise<void>;
  logBatch: (runId: string, batch: MlflowBatch) => Promise<void>;
  setTag: (runId: string, tag: MlflowTag) => Promise<void>;
  logInputs: (runId: string, datasets: MlflowDataset[]) => Promise<void>;
  /** @returns false when this server keeps artifacts where only its own clients can write (for example S3). */
  uploadArtifact: (run: MlflowRun, path: string, file: string) => Promise<boolean>;
};

/** @param signal gives up on everything that is still open */
export function openMlflow(address: MlflowAddress, signal: AbortSignal): Mlflow {
  const call = (method: 'GET' | 'POST', path: string, body?: unknown): Promise<Answer> =>
    send(address, signal, method, `/api/2.0/mlflow/${path}`, body);
  const post = async (path: string, body: unknown): Promise<unknown> => expectOk(await call('POST', path, body));

  return {
    experimentId: async (name) => {
      const path = `experiments/get-by-name?experiment_name=${encodeURIComponent(name)}`;
      const found = await call('GET', path);
      if (found.status === 200) return idOf(found.body);
      const created = await call('POST', 'experiments/create', { name });
      // Another mlx may have created it between the two calls.
      return idOf(created.status === 200 ? created.body : expectOk(await call('GET', path)));
    },
    createRun: async (experimentId, runName, startedAtMs, tags) => {
      const body = { experiment_id: experimentId, run_name: runName, start_time: startedAtMs, tags };
      return runOf(await post('runs/create', body));
    },
    findRun: async (runId) => {
      const found = await call('GET', `runs/get?run_id=${encodeURIComponent(runId)}`);
      return found.status === 200 ? runOf(found.body) : undefined;
    },
    findTagged: async (experimentId, { key, value }) => {
      const filter = `tags.\`${key}\` = '${value}'`;
      const found = await post('runs/search', { experiment_ids: [experimentId], filter, max_results: 1 });
      const runs = member(found, 'runs');
      return Array.isArray(runs) && runs.length > 0 ? runOf({ run: runs[0] as unknown }) : undefined;
    },
    updateRun: async (runId, status, endedAtMs) => {
      const end = endedAtMs === null ? {} : { end_time: endedAtMs };
      await post('runs/update', { run_id: runId, status, ...end });
    },
    logBatch: async (runId, batch) => void (await post('runs/log-batch', { run_id: runId, ...batch })),
    setTag: async (runId, tag) => void (await post('runs/set-tag', { run_id: runId, ...tag })),
    logInputs: async (runId, datasets) => void (await post('runs/log-inputs', { run_id: runId, datasets })),
    uploadArtifact: (run, path, file) => upload(address, signal, run, path, file),
  };
}

type Answer = { status: number; body: unknown; path: string };

async function send(
  address: MlflowAddress,
  signal: AbortSignal,
  method: 'GET' | 'POST',
  path: string,
  body?: unknown,
): Promise<Answer> {
  const response = await fetch(`${address.uri}${path}`, {
    method,
    headers: { ...headersOf(address), ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    signal: AbortSignal.any([signal, AbortSignal.timeout(answerWithinMs)]),
  });
  const text = await response.text();
  return { status: response.status, body: parseJson(text), path };
}

function headersOf({ authorization }: MlflowAddress): Record<string, string> {
  return authorization === undefined ? {} : { authorization };
}

function expectOk({ status, body, path }: Answer): unknown {
  if (status === 200) return body;
  const message = field(body, 'message') ?? field(body, 'error_code') ?? 'no reason given';
  throw new MlxError('MLFLOW_REFUSED', `MLflow answered ${status} to ${path.split('?')[0] ?? path}: ${message}`);
}

/** mlflow-artifacts:/1/RUN/artifacts is what a server with --serve-artifacts takes over HTTP itself. */
async function upload(
  address: MlflowAddress,
  signal: AbortSignal,
  run: MlflowRun,
  path: string,
  file: string,
): Promise<boolean> {
  if (!run.artifactUri.startsWith('mlflow-artifacts:')) return false;
  const root = new URL(run.artifactUri).pathname.replace(/^\/+/, '');
  const place = `/api/2.0/mlflow-artifacts/artifacts/${root}/${path.split('/').map(encodeURIComponent).join('/')}`;
  const { size } = await stat(file);
  const response = await fetch(`${address.uri}${place}`, {
    method: 'PUT',
    headers: { ...headersOf(address), 'content-length': String(size), 'content-type': 'application/octet-stream' },
    body: Readable.toWeb(createReadStream(file)) as ReadableStream<Uint8Array>,
    duplex: 'half',
    signal,
  });
  const text = await response.text();
  expectOk({ status: response.status, body: parseJson(text), path: place });
  return true;
}

function idOf(body: unknown): string {
  const id = field(body, 'experiment_id') ?? field(member(body, 'experiment'), 'experiment_id');
  if (id === undefined) throw unexpected('an experiment');
  return id;
}

function runOf(body: unknown): MlflowRun {
  const facts = member(member(body, 'run'), 'info');
  const runId = field(facts, 'run_id');
  const artifactUri = field(facts, 'artifact_uri');
  if (runId === undefined || artifactUri === undefined) throw unexpected('a run');
  return { runId, artifactUri };
}

function unexpected(what: string): MlxError {
  return new MlxError(
    'MLFLOW_REFUSED',
    `What answers at the MLflow address did not name ${what}: it may be no MLflow.`,
  );
}

function member(body: unknown, name: string): unknown {
  return typeof body === 'object' && body !== null ? (body as Record<string, unknown>)[name] : undefined;
}

function field(body: unknown, name: string): string | undefined {
  const value = member(body, name);
  return typeof value === 'string' ? value : undefined;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
