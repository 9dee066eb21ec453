// A project with two versions of a model `tickets` and no engine that runs, and releases of them as rows of its ledger.
import { endPromotion, startPromotion } from '../../src/ledger/promotions.js';
import { insertVersion, setAlias } from '../../src/ledger/versions.js';
import { addRun, now, project, type Place } from './runs-project.js';

export function modelsProject(): Place {
  const place = project();
  for (const version of [1, 2]) {
    addRun(place, `tickets-aaa00${version}`, 90 - version);
    insertVersion(place.ledger, {
      model: 'tickets',
      version,
      digest: `sha256:${String(version).repeat(64)}`,
      engine: 'host',
      runId: `tickets-aaa00${version}`,
      baseModel: 'mlx/demo-base',
      baseCommit: 'c0ffee00',
      settings: '{"schema":1}',
      sizeBytes: 640_000,
      createdAtMs: now,
    });
  }
  return place;
}

export function released(
  place: Place,
  fromVersion: number | null,
  toVersion: number,
  state: 'promoted' | 'failed',
  reason: string | null,
  kind: 'promote' | 'rollback' = 'promote',
  alias = 'production',
  actor = 'ada',
) {
  const row = {
    model: 'tickets',
    alias,
    fromVersion,
    toVersion,
    actor,
    reason,
    owner: null,
  } as const;
  const id = startPromotion(place.ledger, { ...row, kind, startedAtMs: now });
  endPromotion(place.ledger, id, {
    state,
    endedAtMs: now + 2_000,
    errorCode: state === 'failed' ? 'SERVER_NOT_READY' : null,
    errorMessage: state === 'failed' ? 'tickets-v2-a1b2 exited with status 3.' : null,
  });
  setAlias(place.ledger, { model: 'tickets', alias, version: toVersion, updatedAtMs: now });
}
