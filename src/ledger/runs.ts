// Runs: one row each, from their first moment to their last state.
import { MlxError } from '../errors.js';
import { write, type Ledger } from './open.js';

/** `stopped`: by the person, can be resumed. `lost`: its owner died without a word. */
export type RunState = 'running' | 'finished' | 'failed' | 'stopped' | 'lost';

export type Run = {
  id: string;
  recipe: string;
  recipeFile: string;
  method: string;
  baseModel: string;
  baseCommit: string;
  seed: number;
  engine: 'docker' | 'host';
  seal: string | null;
  state: RunState;
  /** pid, start time and boot id of the owning mlx; null once it ended, and for a lost run once its job is known to be gone. */
  owner: string | null;
  startedAtMs: number;
  endedAtMs: number | null;
  errorCode: string | null;
  errorMessage: string | null;
  errorHint: string | null;
  runtime: string | null;
  adapterSha256: string | null;
  device: string | null;
  steps: number | null;
  tokens: number | null;
  mlflowRunId: string | null;
  mlflowSynced: number;
  /** The run whose lock this one repeats. */
  replayOf: string | null;
};

export type NewRun = Pick<
  Run,
  'id' | 'recipe' | 'recipeFile' | 'method' | 'baseModel' | 'baseCommit' | 'seed' | 'engine' | 'owner' | 'startedAtMs'
>;

export type RunFilter = {
  state?: RunState | undefined;
  recipe?: string | undefined;
  /** A column (`started`) or a metric (`held_out/tuned/exact_match`). */
  sort: string;
  descending: boolean;
  limit: number;
};

const columns = `id, recipe, recipe_file AS recipeFile, method, base_model AS baseModel, base_commit AS baseCommit, seed, engine, seal, state, owner,
  started_at_ms AS startedAtMs, ended_at_ms AS endedAtMs, error_code AS errorCode, error_message AS errorMessage, error_hint AS errorHint,
  runtime, adapter_sha256 AS adapterSha256, device, steps, tokens, mlflow_run_id AS mlflowRunId, mlflow_synced AS mlflowSynced, replay_of AS replayOf`;

/** What may change in a run after its first moment. */
export type RunChange = Partial<Omit<Run, Exclude<keyof NewRun, 'owner'>>>;

const columnByField: Record<keyof RunChange, string> = {
  seal: 'seal',
  state: 'state',
  owner: 'owner',
  endedAtMs: 'ended_at_ms',
  errorCode: 'error_code',
  errorMessage: 'error_message',
  errorHint: 'error_hint',
  runtime: 'runtime',
  adapterSha256: 'adapter_sha256',
  device: 'device',
  steps: 'steps',
  tokens: 'tokens',
  mlflowRunId: 'mlflow_run_id',
  mlflowSynced: 'mlflow_synced',
  replayOf: 'replay_of',
};

export function insertRun(ledger: Ledger, run: NewRun): void {
  write(ledger, () =>
    ledger.database
      .prepare(
        `INSERT INTO runs (id, recipe, recipe_file, method, base_model, base_commit, seed, engine, owner, state, started_at_ms)
         VALUES (@id, @recipe, @recipeFile, @method, @baseModel, @baseCommit, @seed, @engine, @owner, 'running', @startedAtMs)`,
      )
      .run(run),
  );
}

export function updateRun(ledger: Ledger, id: string, change: RunChange): void {
  const fields = Object.keys(change) as (keyof RunChange)[];
  if (fields.length === 0) return;
  const assignments = fields.map((field) => `${columnByField[field]} = @${field}`).join(', ');
  write(ledger, () => ledger.database.prepare(`UPDATE runs SET ${assignments} WHERE id = @id`).run({ ...change, id }));
}

/** @returns false when nothing was deleted: it is gone, it trains, or model versions were made of it */
export function deleteRun(ledger: Ledger, id: string): boolean {
  return write(ledger, () => {
    const deleted = ledger.database
      .prepare(
        `DELETE FROM runs WHERE id = ? AND state <> 'running' AND NOT EXISTS (SELECT 1 FROM model_versions WHERE run_id = runs.id)`,
      )
      .run(id);
    return deleted.changes === 1;
  });
}

/** Compare and set: of several commands that find what a dead owner left, one does the rest. Null: there is no rest. */
export function claimLostRun(ledger: Ledger, id: string, seenOwner: string | null, owner: string | null): boolean {
  return write(ledger, () => {
    const claimed = ledger.database
      .prepare("UPDATE runs SET owner = @owner WHERE id = @id AND state = 'lost' AND owner IS @seenOwner")
      .run({ id, seenOwner, owner });
    return claimed.changes === 1;
  });
}

export function listRuns(ledger: Ledger, filter: RunFilter): Run[] {
  const direction = filter.descending ? 'DESC' : 'ASC';
  const wanted = { state: filter.state ?? null, recipe: filter.recipe ?? null, limit: filter.limit, key: filter.sort };
  const where = '(@state IS NULL OR state = @state) AND (@recipe IS NULL OR recipe = @recipe)';
  const query =
    filter.sort === 'started'
      ? `SELECT ${columns} FROM runs WHERE ${where} ORDER BY started_at_ms ${direction}, id LIMIT @limit`
      : `SELECT ${columns} FROM latest_metrics CROSS JOIN runs ON runs.id = run_id WHERE key = @key AND ${where} ORDER BY value ${direction}, run_id LIMIT @limit`;
  return ledger.database.prepare(query).all(wanted) as Run[];
}

/** Ended runs that MLflow does not have whole, oldest first. */
export function unsyncedRuns(ledger: Ledger): Run[] {
  return ledger.database
    .prepare(`SELECT ${columns} FROM runs WHERE mlflow_synced = 0 AND state <> 'running' ORDER BY started_at_ms, id`)
    .all() as Run[];
}

/** Hashes of the rows and weights of every run. */
export function runPins(ledger: Ledger): string[] {
  return ledger.database
    .prepare('SELECT sha256 FROM run_datasets UNION SELECT adapter_sha256 FROM runs WHERE adapter_sha256 IS NOT NULL')
    .pluck()
    .all() as string[];
}

export function allRunIds(ledger: Ledger): string[] {
  return ledger.database.prepare('SELECT id FROM runs').pluck().all() as string[];
}

/** Runs that somebody works on, or worked on when they died: few, whatever the number of runs. */
export function ownedRuns(ledger: Ledger): Run[] {
  return ledger.database.prepare(`SELECT ${columns} FROM runs WHERE owner IS NOT NULL ORDER BY id`).all() as Run[];
}

/**
 * A run by its id, the beginning of its id, or `latest`.
 * @throws MlxError NOT_FOUND with the nearest ids, AMBIGUOUS with the candidates
 */
export function findRun(ledger: Ledger, reference: string): Run {
  const rows =
    reference === 'latest'
      ? ledger.database.prepare(`SELECT ${columns} FROM runs ORDER BY started_at_ms DESC, id LIMIT 1`).all()
      : ledger.database
          .prepare(
            `SELECT ${columns} FROM runs WHERE id = @r OR substr(id, 1, length(@r)) = @r ORDER BY id = @r DESC, started_at_ms DESC LIMIT 6`,
          )
          .all({ r: reference });
  const runs = rows as Run[];
  const [first, second] = runs;
  if (first && (first.id === reference || !second)) return first;
  if (first) {
    throw new MlxError(
      'AMBIGUOUS',
      `'${reference}' begins the ids of several runs: ${runs.map((run) => run.id).join(', ')}.`,
      { hint: 'Name one of them in full.' },
    );
  }
  throw new MlxError('NOT_FOUND', reference === 'latest' ? 'There is no run yet.' : `There is no run '${reference}'.`, {
    hint:
      runIds(ledger).length === 0
        ? 'Make one: mlx train'
        : `See them all: mlx runs ls (the newest are ${runIds(ledger).slice(0, 3).join(', ')})`,
  });
}

function runIds(ledger: Ledger): string[] {
  return ledger.database.prepare('SELECT id FROM runs ORDER BY started_at_ms DESC LIMIT 50').pluck().all() as string[];
}
