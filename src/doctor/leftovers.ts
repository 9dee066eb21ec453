// Files in .mlx/run that speak for processes: records that name an owner, locks, sockets. Here: those whose process is gone.
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { connect } from 'node:net';
import { dirname, join } from 'node:path';

import { ownerIsAlive } from '../engine/owner.js';
import { errorCode } from '../errors.js';

export type FoundRecord = { file: string; owner: string; port: number | undefined };

/** What says of itself that it runs or ran. */
export function recordsIn(folders: readonly string[]): FoundRecord[] {
  return folders
    .flatMap(filesBelow)
    .map(recordIn)
    .filter((record) => record !== undefined);
}

/** A server that loads its model has its socket already and does not answer on it yet. */
const longestLoadMs = 3_600_000;

/** Speaks for the whole folder that it lies in: what a job was lent, a token above all. */
const ownerFile = 'owner.json';

export async function deadFiles(folders: readonly string[], nowMs: number): Promise<string[]> {
  const files = [...new Set(folders.flatMap(filesBelow))];
  const verdicts = await Promise.all(files.map((file) => isDead(file, nowMs)));
  const dead = new Set(files.filter((_, index) => verdicts[index]));
  return files.filter((file) => dead.has(file) || dead.has(join(dirname(file), ownerFile)));
}

async function isDead(file: string, nowMs: number): Promise<boolean> {
  if (file.endsWith('.sock')) return nowMs - statSync(file).mtimeMs > longestLoadMs && !(await isAnswered(file));
  const owner = ownerIn(file);
  return owner !== undefined && !ownerIsAlive(owner);
}

/** A record is JSON with an `owner`; a lock is the owner alone. Anything else is none of our business. */
function ownerIn(file: string): string | undefined {
  return file.endsWith('.lock') ? ownerText(readIfThere(file)) : recordIn(file)?.owner;
}

function recordIn(file: string): FoundRecord | undefined {
  if (!file.endsWith('.json')) return undefined;
  try {
    const { owner, port } = JSON.parse(readIfThere(file)) as { owner?: unknown; port?: unknown };
    const found = ownerText(owner);
    if (found === undefined) return undefined;
    return { file, owner: found, port: typeof port === 'number' ? port : undefined };
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof TypeError) return undefined;
    throw error;
  }
}

/** `pid:start:boot`, as engine/owner.ts writes it. */
function ownerText(text: unknown): string | undefined {
  return typeof text === 'string' && /^\d+:/.test(text) ? text : undefined;
}

function readIfThere(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return '';
    throw error;
  }
}

/** A socket file outlives its server; only a refused connection proves that nobody listens. */
function isAnswered(socket: string): Promise<boolean> {
  return new Promise((resolve) => {
    const connection = connect(socket);
    connection.once('connect', () => {
      connection.destroy();
      resolve(true);
    });
    connection.once('error', (error) => resolve(errorCode(error) !== 'ECONNREFUSED'));
  });
}

function filesBelow(folder: string): string[] {
  try {
    return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
      const path = join(folder, entry.name);
      return entry.isDirectory() ? filesBelow(path) : [path];
    });
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return [];
    throw error;
  }
}
