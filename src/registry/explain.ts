// Where an answer came from: request -> route -> version -> run -> rows, and who put that version live and why. Reads two ledgers.
import { runDatasets, type RunDataset } from '../ledger/metrics.js';
import type { Ledger } from '../ledger/open.js';
import { listPromotions } from '../ledger/promotions.js';
import { findRun } from '../ledger/runs.js';
import type { TrafficRequest } from '../ledger/traffic-request.js';
import { listVersions } from '../ledger/versions.js';
import { lockFileOf } from '../recipe/lock.js';
import { release, type Release } from './release.js';

export type Explanation = {
  request: TrafficRequest;
  /** null: another host answered, or a version that is gone. */
  version: { model: string; version: number; digest: string; sameDigest: boolean } | null;
  run: {
    id: string;
    recipe: string;
    lockFile: string;
    baseModel: string;
    baseCommit: string;
    adapterSha256: string | null;
    datasets: RunDataset[];
  } | null;
  /** What had put the version live when the request came. */
  release: Release | null;
};

const enoughReleases = 10_000;

export function explainRequest(ledger: Ledger, request: TrafficRequest): Explanation {
  const [model = '', number = ''] = request.version?.split(':') ?? [];
  const found = listVersions(ledger, model).find(({ version }) => version === Number(number));
  if (!found) return { request, version: null, run: null, release: null };
  const { version, digest, runId } = found;
  const { id, recipe, recipeFile, baseModel, baseCommit, adapterSha256 } = findRun(ledger, runId);
  const live = listPromotions(ledger, { model, state: 'promoted', limit: enoughReleases }).find(
    ({ toVersion, startedAtMs }) => toVersion === version && startedAtMs <= request.startedAtMs,
  );
  return {
    request,
    version: { model, version, digest, sameDigest: digest === request.digest },
    run: {
      ...{ id, recipe, baseModel, baseCommit, adapterSha256 },
      lockFile: lockFileOf(recipeFile),
      datasets: runDatasets(ledger, id),
    },
    release: live ? release(live) : null,
  };
}
