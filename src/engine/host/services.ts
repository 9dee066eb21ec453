// MLflow as a process of its own, on 127.0.0.1. It outlives the mlx that started it.
import { existsSync, mkdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

import type { Paths } from '../../config/paths.js';
import { MlxError } from '../../errors.js';
import { startDetached } from '../detached.js';
import type { OnProgress, ServiceSpec, ServiceState } from '../engine.js';
import { endGroup } from '../group.js';
import { lastText } from '../lines.js';
import { withLock } from '../lock.js';
import { ownerIsAlive } from '../owner.js';
import { requireFreePort } from '../port.js';
import { serviceDataFolder } from '../service-data.js';
import { programEnvironment } from './environment.js';
import { removeRecord, writeRecord } from './records.js';
import { findServiceRecord, isHealthy, serviceFile, serviceLog, serviceState } from './service-records.js';
import type { Venv } from './venvs.js';

const startTimeoutMs = 120_000;
const pollMs = 200;
const stopGraceMs = 10_000;
const largestLogBytes = 5_000_000;

/** @throws MlxError PORT_TAKEN, SERVICE_UNHEALTHY with its last lines */
export async function startService(
  paths: Paths,
  environment: NodeJS.ProcessEnv,
  venv: () => Promise<Venv>,
  spec: ServiceSpec,
  onProgress: OnProgress,
  signal: AbortSignal,
): Promise<ServiceState> {
  await withLock(
    `${serviceFile(paths, spec.name)}.lock`,
    async () => {
      const present = findServiceRecord(paths, spec.name);
      const fits = present !== undefined && present.port === spec.port && present.dataFolder === spec.dataFolder;
      if (!fits || !ownerIsAlive(present.owner)) {
        // What is left of one whose leader died would hold the port and the database.
        await stopService(paths, spec.name, { deleteData: false });
        await launch(paths, environment, await venv(), spec, onProgress);
      }
      await waitUntilHealthy(paths, spec, onProgress, signal);
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
    ...['--x-frame-options', 'DENY'],
  ];
}

const mlflowEnvironment = { MLFLOW_DISABLE_TELEMETRY: 'true', MLFLOW_SERVER_ENABLE_JOB_EXECUTION: 'false' };

async function launch(
  paths: Paths,
  own: NodeJS.ProcessEnv,
  venv: Venv,
  spec: ServiceSpec,
  onProgress: OnProgress,
): Promise<void> {
  await requireFreePort(spec.port, spec.name, `${spec.name}.port`);
  mkdirSync(spec.dataFolder, { recursive: true, mode: 0o700 });
  const logFile = serviceLog(paths, spec.name);
  rotateLog(logFile);
  onProgress(`starting ${spec.name} on http://127.0.0.1:${spec.port}`);
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

async function waitUntilHealthy(
  paths: Paths,
  spec: ServiceSpec,
  onProgress: OnProgress,
  signal: AbortSignal,
): Promise<void> {
  const deadlineMs = Date.now() + startTimeoutMs;
  let told = false;
  while (!(await isHealthy(spec.port))) {
    const record = findServiceRecord(paths, spec.name);
    const alive = record !== undefined && ownerIsAlive(record.owner);
    if (!alive) throw await unhealthy(paths, spec, 'ended while it started');
    if (Date.now() > deadlineMs) throw await unhealthy(paths, spec, `did not answer within ${startTimeoutMs / 1000} s`);
    if (!told) onProgress(`waiting until ${spec.name} answers`);
    told = true;
    await pause(pollMs, undefined, { signal });
  }
}

async function unhealthy(paths: Paths, spec: ServiceSpec, what: string): Promise<MlxError> {
  const lines = await lastText(serviceLog(paths, spec.name), 15);
  return new MlxError('SERVICE_UNHEALTHY', `${spec.name} ${what}. Its last lines:\n${lines}`, {
    hint: `Read all of them: mlx logs ${spec.name}; then start again: mlx down && mlx up`,
  });
}

/** One old log is kept; the service writes into the new one by itself. */
function rotateLog(file: string): void {
  if (!existsSync(file) || statSync(file).size < largestLogBytes) return;
  rmSync(`${file}.1`, { force: true });
  renameSync(file, `${file}.1`);
}

function serviceMark(paths: Paths, name: string): string {
  return `${paths.projectId}-${name}`;
}
