// Brings a base model into its `.partial` folder: from the hub by fetch.py, or made here by make_base.py.
// What has arrived stays there when it is interrupted, and the next try goes on from it.
import { randomBytes } from 'node:crypto';
import { mkdir, readdir, rm, rmdir, stat } from 'node:fs/promises';
import { join } from 'node:path';

import type { HomePaths } from '../config/paths.js';
import type { Engine, Job, OnProgress } from '../engine/engine.js';
import { MlxError } from '../errors.js';
import { parseMakeEvent, type MakeEvent } from './demo-base.js';
import { fetchError, parseFetchEvent, type FetchEvent, type FetchResult } from './fetch-events.js';
import { hubEnvironment } from './hub-environment.js';

export type BaseModelEdges = {
  home: HomePaths;
  /** What `path:` of a recipe is relative to. */
  projectFolder: string;
  environment: NodeJS.ProcessEnv;
  /** Opened only when something must be fetched or made. */
  engine: () => Promise<Engine>;
  onProgress: OnProgress;
  signal: AbortSignal;
};

/**
 * @param isPresent asked as soon as the hub has named the commit: true ends the download, nothing is needed
 * @returns the commit, and its files unless it was present
 */
export async function fetchModel(
  edges: BaseModelEdges,
  wanted: { repository: string; revision: string; partial: string },
  isPresent: (commit: string) => boolean,
): Promise<{ commit: string; files: FetchResult['files'] | undefined }> {
  const enough = new AbortController();
  let commit: string | undefined;
  let last: FetchEvent | undefined;
  const isWorthALine = everyTwentieth();
  const onEvent = (event: FetchEvent): void => {
    last = event;
    if (event.event === 'progress' && isWorthALine(event)) edges.onProgress(...progressLine(event));
    if (event.event !== 'resolved') return;
    commit = event.commit;
    if (isPresent(event.commit)) enough.abort();
  };
  const argv = ['fetch.py', '--repository', wanted.repository, '--revision', wanted.revision, '--out', '{out}'];
  const environment = hubEnvironment(edges.environment);
  const job: OutJob = { argv, out: wanted.partial, network: 'outside', environment };
  const stderr = await runToEnd(edges, job, enough.signal, (line) => {
    const event = parseFetchEvent(line);
    if (event) onEvent(event);
  });
  if (enough.signal.aborted && commit !== undefined) return { commit, files: undefined };
  const end = last;
  if (end?.event === 'error') throw fetchError(wanted.repository, end.code, end.message);
  if (end?.event !== 'result') throw fetchError(wanted.repository, 'INTERNAL', stderr);
  await keepOnly(wanted.partial, end.files);
  return end;
}

/** Writes the demo's base model into `partial`. */
export async function makeDemoModel(edges: BaseModelEdges, partial: string): Promise<void> {
  // Half a model is no start for the next try: it is made whole or not at all.
  await rm(partial, { recursive: true, force: true });
  let last: MakeEvent | undefined;
  const argv = ['make_base.py', '--out', '{out}'];
  const job: OutJob = { argv, out: partial, network: 'none', environment: {} };
  edges.onProgress('making the base model of the demo (about a minute, once)');
  const stderr = await runToEnd(edges, job, edges.signal, (line) => {
    const event = parseMakeEvent(line);
    if (event === undefined) return;
    last = event;
    if (event.event === 'step') {
      const { step, total_steps: steps, loss } = event;
      edges.onProgress(`base model: step ${step} of ${steps}, loss ${loss.toFixed(2)}`, step / steps);
    }
  });
  const end = last;
  if (end?.event === 'result') return;
  throw new MlxError(
    'BASE_MODEL_FAILED',
    `The base model of the demo was not made: ${end?.event === 'error' ? end.message : stderr}`,
    {
      hint: 'Repeat the command; mlx doctor shows whether memory or disk is short.',
    },
  );
}

type Progress = Extract<FetchEvent, { event: 'progress' }>;
type OutJob = Pick<Job, 'argv' | 'network' | 'environment'> & { out: string };

/** @returns the job's last words on stderr */
async function runToEnd(
  edges: BaseModelEdges,
  { out, argv, network, environment }: OutJob,
  enough: AbortSignal,
  onStdout: (line: string) => void,
): Promise<string> {
  await mkdir(out, { recursive: true });
  const engine = await edges.engine();
  await engine.prepareRuntime('trainer', edges.onProgress, edges.signal);
  const job: Job = {
    id: `pull-${randomBytes(4).toString('hex')}`,
    runtime: 'trainer',
    argv,
    mounts: [{ name: 'out', source: out, writable: true }],
    environment,
    network,
    gpu: false,
  };
  let words = '';
  const onStderr = (line: string): void => void (line.trim() === '' || (words = line.trim().slice(0, 300)));
  const signal = AbortSignal.any([edges.signal, enough]);
  const exit = await engine.runJob(job, { onStdout, onStderr, signal });
  // A name that the hub does not know leaves no folder behind; one with something in it stays.
  await rmdir(out).catch(() => undefined);
  if (edges.signal.aborted) {
    throw new MlxError('INTERRUPTED', 'Stopped before the base model was complete; what has arrived is kept.', {
      hint: 'Repeat the command: it goes on from there.',
    });
  }
  if (exit.outOfMemory) return 'the system ended it because memory ran out';
  if (words !== '') return words;
  return `it ended ${exit.signal === null ? `with status ${exit.status ?? 'unknown'}` : `by ${exit.signal}`} without a word`;
}

/** A line for each twentieth of the whole: enough to watch, few enough for a log. */
function everyTwentieth(): (event: Progress) => boolean {
  let shown: number | undefined;
  return ({ done_bytes: done, total_bytes: total }) => {
    const twentieths = total === 0 ? 20 : Math.floor((done / total) * 20);
    if (twentieths === shown) return false;
    shown = twentieths;
    return true;
  };
}

function progressLine({ file, done_bytes: done, total_bytes: total }: Progress): [string, number] {
  return [`fetched ${megabytes(done)} of ${megabytes(total)} MB (${file})`, total === 0 ? 1 : done / total];
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0);
}

/** What fetch.py did not list (its bookkeeping, files of an older commit) goes; what it listed must be there in full. */
async function keepOnly(partial: string, files: FetchResult['files']): Promise<void> {
  const listed = new Map(files.map((file) => [file.path, file]));
  for (const entry of await readdir(partial, { withFileTypes: true, recursive: true })) {
    if (entry.isDirectory()) continue;
    const path = join(entry.parentPath, entry.name).slice(partial.length + 1);
    if (!listed.has(path)) await rm(join(partial, path), { force: true });
  }
  await rm(join(partial, '.cache'), { recursive: true, force: true });
  for (const file of files) {
    const { size } = await stat(join(partial, file.path));
    if (size === file.size) continue;
    throw new MlxError('HASH_MISMATCH', `${file.path} has ${size} bytes on disk, and ${file.size} were fetched.`, {
      hint: 'Repeat the command; a disk that does this needs a look.',
    });
  }
}
