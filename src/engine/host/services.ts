// MLflow as a process of its own, on 127.0.0.1. It outlives the mlx that started it.
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

import type { Paths } from '../../config/paths.js';
import { MlxError } from '../../errors.js';
import { startDetached } from '../detached.js';
import type { OnProgress, ServiceSpec, ServiceState } from '../engine.js';
import { endGroup } from '../group.js';
import { answersHealth } from '../health.js';
import { lastText } from '../lines.js';
import { withLock } from '../lock.js';
import { ownerIsAlive } from '../owner.js';
import { requireFreePort } from '../port.js';
import { serviceDataFolder } from '../service-data.js';
import { programEnvironment } from './environment.js';
import { removeRecord, writeRecord, type ServiceRecord } from './records.js';
import { findServiceRecord, serviceAddress, serviceFile, serviceLog, serviceState } from './service-records.js';
import type { Venv } from './venvs.js';

const startTimeoutMs = 120_000;
const pollMs = 200;
const stopGraceMs = 10_000;

export type ServiceEdges = {
  paths: Paths;
  environment: NodeJS.ProcessEnv;
  venv: () => Promise<Venv>;
  onProgress: OnProgress;
  signal: AbortSignal;
};

/** @throws MlxError PORT_TAKEN, SERVICE_UNHEALTHY with its last lines */
export async function startService(edges: ServiceEdges, spec: ServiceSpec): Promise<ServiceState> {
  const { paths, onProgress, signal } = edges;
  await withLock(
    `${serviceFile(paths, spec.name)}.lock`,
    async () => {
      // One that runs but stays silent, or is about to end, is replaced as well.
      const present = fits(findServiceRecord(paths, spec.name), spec);
      if (!present || (await waitUntilHealthy(edges, spec)) !== undefined) await replaceService(edges, spec);
    },
    { signal, onWait: () => onProgress(`another mlx is starting ${spec.name}: waiting for it`) },
  );
  return serviceState(paths, spec.name);
}

export async function stopService(paths: Paths, name: string, options: { deleteData: boolean }): Promise<void> {
  const record = findServiceRecord(paths, name);
  if (record) await endGroup(record.owner, serviceMark(paths, name), stopGraceMs);
  removeRecord(serviceFile(paths, name));
  if (!options.deleteData) return;
  rmSync(record?.dataFolder ?? serviceDataFolder(paths, name), { recursive: true, force: true });
}

/** MLflow's own settings: no authentication, so this machine alone may ask; no telemetry; none of its nine job workers. */
export function mlflowArgs(spec: ServiceSpec): string[] {
  const origins = [`http://localhost:${spec.port}`, `http://127.0.0.1:${spec.port}`];
  return [
    ...['-m', 'mlflow', 'server', '--host', '127.0.0.1', '--port', String(spec.port), '--workers', '1'],
    ...['--backend-store-uri', `sqlite:///${join(spec.dataFolder, 'mlflow.db')}`],
    ...['--artifacts-destination', join(spec.dataFolder, 'artifacts'), '--serve-artifacts'],
    ...['--allowed-hosts', 'localhost:*,127.0.0.1:*', '--cors-allowed-origins', origins.join(',')],
    // A line for each request, ours for its health first of all, would hide the others.
    ...['--x-frame-options', 'DENY', '--uvicorn-opts', '--no-access-log'],
  ];
}

const mlflowEnvironment = { MLFLOW_DISABLE_TELEMETRY: 'true', MLFLOW_SERVER_ENABLE_JOB_EXECUTION: 'false' };

async function replaceService(edges: ServiceEdges, spec: ServiceSpec): Promise<void> {
  // What is left of one whose leader died would hold the port and the database.
  await stopService(edges.paths, spec.name, { deleteData: false });
  await launch(edges, spec);
  const problem = await waitUntilHealthy(edges, spec);
  if (problem !== undefined) throw await unhealthy(edges.paths, spec, problem);
}

async function launch(
  { paths, environment: own, venv: ensure, onProgress }: ServiceEdges,
  spec: ServiceSpec,
): Promise<void> {
  await requireFreePort(spec.port, spec.name, `${spec.name}.port`);
  const venv = await ensure();
  mkdirSync(spec.dataFolder, { recursive: true, mode: 0o700 });
  const logFile = serviceLog(paths, spec.name);
  rotateLog(logFile);
  onProgress(`starting ${spec.name} on ${serviceAddress(spec.port)}`);
  const around = { own, venv: venv.folder, network: 'none' as const, gpu: false };
  const program = {
    file: venv.python,
    args: mlflowArgs(spec),
    environment: programEnvironment(around, mlflowEnvironment),
    folder: spec.dataFolder,
    mark: serviceMark(paths, spec.name),
    logFile,
  };
  await startDetached(program, (owner) =>
    writeRecord(serviceFile(paths, spec.name), { ...spec, owner, venv: venv.folder, startedAtMs: Date.now() }),
  );
}

function fits(record: ServiceRecord | undefined, spec: ServiceSpec): boolean {
  return record !== undefined && record.port === spec.port && record.dataFolder === spec.dataFolder;
}

/** @returns what is wrong with it, if it does not become healthy */
async function waitUntilHealthy(edges: ServiceEdges, spec: ServiceSpec): Promise<string | undefined> {
  const { paths, onProgress, signal } = edges;
  const deadlineMs = Date.now() + startTimeoutMs;
  let told = false;
  while (!(await answersHealth(serviceAddress(spec.port)))) {
    const record = findServiceRecord(paths, spec.name);
    if (!record || !ownerIsAlive(record.owner)) return 'ended while it started';
    if (Date.now() > deadlineMs) return `did not answer within ${startTimeoutMs / 1000} s`;
    if (!told) onProgress(`waiting until ${spec.name} answers`);
    told = true;
    await pause(pollMs, undefined, { signal });
  }
  return undefined;
}

async function unhealthy(paths: Paths, spec: ServiceSpec, what: string): Promise<MlxError> {
  const lines = await lastText(serviceLog(paths, spec.name), 15);
  return new MlxError('SERVICE_UNHEALTHY', `${spec.name} ${what}. Its last lines:\n${lines}`, {
    hint: `Read all of them: mlx logs ${spec.name}; then start again: mlx down && mlx up`,
  });
}

/** Each start begins a new log; the one before is kept. */
function rotateLog(file: string): void {
  if (existsSync(file)) renameSync(file, `${file}.1`);
}

function serviceMark(paths: Paths, name: string): string {
  return `${paths.projectId}-${name}`;
}
