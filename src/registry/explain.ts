// Where an answer came from: request -> route -> version -> run -> rows, and who put that version live and why; of a request that nobody answered,
// which version it was meant for. Reads two ledgers.
import { existsSync, readFileSync } from 'node:fs';
import { relative } from 'node:path';

import type { Paths } from '../config/paths.js';
import { localUpstream } from '../config/upstream-schema.js';
import { MlxError } from '../errors.js';
import { runDatasets, type RunDataset } from '../ledger/metrics.js';
import type { Ledger } from '../ledger/open.js';
import { listSteps } from '../ledger/promotion-steps.js';
import { isRestart, listPromotions, type Promotion } from '../ledger/promotions.js';
import { findRun } from '../ledger/runs.js';
import type { TrafficRequest } from '../ledger/traffic-request.js';
import { listVersions, type ModelVersion } from '../ledger/versions.js';
import { parseLock } from '../recipe/lock.js';
import { readResolution } from '../training/resolution.js';
import { runFolder } from '../training/run-folder.js';
import { release, type Release } from './release.js';
import { routeName } from './targets.js';

export type Explanation = {
  request: TrafficRequest;
  /** False: it ended with an error, whoever sent it. */
  answered: boolean;
  /** That answered, else that it went, or would have gone, to. null: another host, nobody, or a version that is gone. */
  version: { model: string; version: number; digest: string; sameDigest: boolean } | null;
  /** null also where nothing was answered. */
  run: {
    id: string;
    recipe: string;
    /** Beside the recipe, or in the run's folder where that one belongs to another run by now; null: it has none. */
    lockFile: string | null;
    baseModel: string;
    baseCommit: string;
    adapterSha256: string | null;
    datasets: RunDataset[];
  } | null;
  /** What had put the version there when the request came. */
  release: Release | null;
  /** The newest since then that only started its server again, as after a crash. */
  restart: Release | null;
};

const enoughReleases = 10_000;

export function explainRequest(
  ledger: Ledger,
  paths: Pick<Paths, 'project' | 'runs'>,
  request: TrafficRequest,
): Explanation {
  const answered = request.status < 400;
  const named = request.version ?? (answered ? null : meantFor(ledger, request));
  const [model = '', number = ''] = named?.split(':') ?? [];
  const found = listVersions(ledger, model).find(({ version }) => version === Number(number));
  if (!found) return { request, answered, version: null, run: null, release: null, restart: null };
  const { version, digest, runId } = found;
  const sameDigest = request.digest === null || digest === request.digest;
  return {
    ...{ request, answered, version: { model, version, digest, sameDigest } },
    run: answered ? runBehind(ledger, paths, runId) : null,
    ...releasesBehind(ledger, request, { model, version }),
  };
}

function runBehind(
  ledger: Ledger,
  paths: Pick<Paths, 'project' | 'runs'>,
  runId: string,
): NonNullable<Explanation['run']> {
  const { id, recipe, baseModel, baseCommit, adapterSha256 } = findRun(ledger, runId);
  const known = { id, recipe, baseModel, baseCommit, adapterSha256 };
  return { ...known, lockFile: lockOfRun(paths, id), datasets: runDatasets(ledger, id) };
}

/** One that never got so far as to be sent, as while a breaker is open: what its route led to then. */
function meantFor(ledger: Ledger, { route, upstream, startedAtMs }: TrafficRequest): string | null {
  if (route === null || (upstream !== null && upstream !== localUpstream)) return null;
  const model = route.replace(/@.*$/, '');
  const put = listPromotions(ledger, { model, state: 'promoted', limit: enoughReleases }).find(
    (promotion) => routeName(model, promotion.alias) === route && switchedAtMs(ledger, promotion) <= startedAtMs,
  );
  return put ? `${model}:${put.toVersion}` : null;
}

/** Near its end: before, a server starts, and afterwards the open answers of the old one end. */
function switchedAtMs(ledger: Ledger, { id, startedAtMs, endedAtMs }: Promotion): number {
  const flip = listSteps(ledger, id).find(({ step }) => step === 'flip');
  return flip?.endedAtMs ?? endedAtMs ?? startedAtMs;
}

/** Of a share of production's requests it is the canary's release: the newest in production put another version there. */
function releasesBehind(
  ledger: Ledger,
  { route, startedAtMs: askedAtMs }: TrafficRequest,
  { model, version }: Pick<ModelVersion, 'model' | 'version'>,
): Pick<Explanation, 'release' | 'restart'> {
  const past = listPromotions(ledger, { model, state: 'promoted', limit: enoughReleases }).filter(
    ({ startedAtMs }) => startedAtMs <= askedAtMs,
  );
  const [switches, restarts] = [past.filter((promotion) => !isRestart(promotion)), past.filter(isRestart)];
  const newest = switches.find(({ alias }) => routeName(model, alias) === route);
  const behind = newest?.toVersion === version ? newest : switches.find(({ toVersion }) => toVersion === version);
  const restart = restarts.find(
    ({ id, alias, toVersion }) => toVersion === version && alias === behind?.alias && id > behind.id,
  );
  return { release: behind ? release(behind) : null, restart: restart ? release(restart) : null };
}

/** The next run of a recipe writes over the lock beside it, and a run with --no-lock leaves another's there. */
function lockOfRun({ project, runs }: Pick<Paths, 'project' | 'runs'>, id: string): string | null {
  const folder = runFolder(runs, id);
  const places = [readResolution(folder)?.lockFile, folder.lock];
  const found = places.find((file) => typeof file === 'string' && isLockOf(file, id));
  return typeof found === 'string' ? relative(project, found) : null;
}

function isLockOf(file: string, id: string): boolean {
  if (!existsSync(file)) return false;
  try {
    return parseLock(readFileSync(file, 'utf8'), file).results.run === id;
  } catch (error) {
    // An edited one, or one with a merge conflict, proves nothing of this run.
    if (error instanceof MlxError) return false;
    throw error;
  }
}
