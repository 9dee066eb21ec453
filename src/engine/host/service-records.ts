// Stack services as they are written down, set against what is alive and what answers. Reading only.
import { join } from 'node:path';

import type { Paths } from '../../config/paths.js';
import type { ServiceState } from '../engine.js';
import { answersHealth } from '../health.js';
import { ownerIsAlive } from '../owner.js';
import { readRecord, serviceRecord, type ServiceRecord } from './records.js';

/** A service may take so long to answer for the first time before its silence means that it is ill. */
const startGraceMs = 120_000;

export async function serviceState(paths: Paths, name: string): Promise<ServiceState> {
  const record = findServiceRecord(paths, name);
  if (!record) return { name, state: 'absent', address: undefined, runtime: undefined, startedAtMs: undefined };
  const alive = ownerIsAlive(record.owner);
  const healthy = alive && (await answersHealth(serviceAddress(record.port)));
  return {
    name,
    state: stateOf(alive, healthy, Date.now() - record.startedAtMs),
    address: serviceAddress(record.port),
    runtime: record.venv,
    startedAtMs: record.startedAtMs,
  };
}

export function stateOf(alive: boolean, healthy: boolean, ageMs: number): ServiceState['state'] {
  if (!alive) return 'exited';
  if (healthy) return 'running';
  return ageMs < startGraceMs ? 'starting' : 'unhealthy';
}

export function serviceAddress(port: number): string {
  return `http://127.0.0.1:${port}`;
}

export function findServiceRecord(paths: Paths, name: string): ServiceRecord | undefined {
  return readRecord(serviceFile(paths, name), serviceRecord);
}

export function serviceFile(paths: Paths, name: string): string {
  return join(paths.run, 'services', `${name}.json`);
}

export function serviceLog(paths: Paths, name: string): string {
  return join(paths.run, 'services', `${name}.log`);
}
