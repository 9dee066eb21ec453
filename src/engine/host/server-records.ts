// Model servers as they are written down, set against what is alive. Reading only: `mlx status` starts nothing.
import { join } from 'node:path';

import type { Paths } from '../../config/paths.js';
import type { ModelServer } from '../engine.js';
import { ownerIsAlive } from '../owner.js';
import { readRecord, readRecords, serverRecord, type ServerRecord } from './records.js';

export function listServers(paths: Paths): ModelServer[] {
  return readRecords(serverFolder(paths), serverRecord).map((record) =>
    modelServer(record, ownerIsAlive(record.owner)),
  );
}

export function findServerRecord(paths: Paths, id: string): ServerRecord | undefined {
  return readRecord(serverFile(paths, id), serverRecord);
}

/** Running says only that the process lives: whether it answers is asked by who sends it prompts. */
export function modelServer(record: ServerRecord, alive: boolean): ModelServer {
  const { id, model, version, digest, startedAtMs } = record;
  const state = alive ? 'running' : 'exited';
  const servedName = model;
  return {
    id,
    servedName,
    model,
    version,
    digest,
    state,
    address: `unix:${record.socket}`,
    startedAtMs,
    exitStatus: null,
  };
}

export function serverFile(paths: Paths, id: string): string {
  return join(serverFolder(paths), `${id}.json`);
}

export function serverLog(paths: Paths, id: string): string {
  return join(serverFolder(paths), `${id}.log`);
}

export function serverFolder(paths: Paths): string {
  return join(paths.run, 'servers');
}
