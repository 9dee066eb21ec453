// Model versions and the aliases that point at them (`production`, `staging`, `previous`).
import { closest, distance } from 'fastest-levenshtein';

import { MlxError } from '../errors.js';
import { appendAudit } from './audit.js';
import { scoresHash } from './metrics.js';
import { write, type Ledger } from './open.js';

export type ModelVersion = {
  model: string;
  version: number;
  digest: string;
  engine: 'docker' | 'host';
  runId: string;
  baseModel: string;
  baseCommit: string;
  /** JSON: what the model server needs to know. */
  settings: string;
  sizeBytes: number;
  createdAtMs: number;
};

export type Alias = { model: string; alias: string; version: number; updatedAtMs: number };

const columns =
  'model, version, digest, engine, run_id AS runId, base_model AS baseModel, base_commit AS baseCommit, settings, size_bytes AS sizeBytes, created_at_ms AS createdAtMs';

export function insertVersion(ledger: Ledger, version: ModelVersion): void {
  write(ledger, () => {
    ledger.database
      .prepare(
        `INSERT INTO model_versions (model, version, digest, engine, run_id, base_model, base_commit, settings, size_bytes, created_at_ms)
         VALUES (@model, @version, @digest, @engine, @runId, @baseModel, @baseCommit, @settings, @sizeBytes, @createdAtMs)`,
      )
      .run(version);
    const { model, version: number, digest, runId, baseCommit } = version;
    const scoresSha256 = scoresHash(ledger, runId);
    const body = { model, version: number, digest, runId, baseCommit, scoresSha256 };
    appendAudit(ledger, 'version', body, version.createdAtMs);
  });
}

export function nextVersion(ledger: Ledger, model: string): number {
  return Number(
    ledger.database
      .prepare('SELECT coalesce(max(version), 0) + 1 FROM model_versions WHERE model = ?')
      .pluck()
      .get(model),
  );
}

export function listVersions(ledger: Ledger, model?: string): ModelVersion[] {
  return ledger.database
    .prepare(`SELECT ${columns} FROM model_versions WHERE ? IS NULL OR model = ? ORDER BY model, version DESC`)
    .all(model ?? null, model ?? null) as ModelVersion[];
}

export function versionOfRun(ledger: Ledger, runId: string, model: string): ModelVersion | undefined {
  return ledger.database
    .prepare(`SELECT ${columns} FROM model_versions WHERE run_id = ? AND model = ?`)
    .get(runId, model) as ModelVersion | undefined;
}

/** Tokens of prompt and answer together that a server of this version takes at most. undefined: the version is not known. */
export function windowOf(
  ledger: Ledger,
  { model, version }: Pick<ModelVersion, 'model' | 'version'>,
): number | undefined {
  const window: unknown = ledger.database
    .prepare("SELECT json_extract(settings, '$.max_model_len') FROM model_versions WHERE model = ? AND version = ?")
    .pluck()
    .get(model, version);
  return typeof window === 'number' && window > 0 ? window : undefined;
}

export function listAliases(ledger: Ledger, model?: string): Alias[] {
  return ledger.database
    .prepare(
      'SELECT model, alias, version, updated_at_ms AS updatedAtMs FROM aliases WHERE ? IS NULL OR model = ? ORDER BY model, alias',
    )
    .all(model ?? null, model ?? null) as Alias[];
}

export function aliasedVersion(ledger: Ledger, model: string, alias: string): number | undefined {
  return ledger.database
    .prepare('SELECT version FROM aliases WHERE model = ? AND alias = ?')
    .pluck()
    .get(model, alias) as number | undefined;
}

export function setAlias(ledger: Ledger, alias: Alias): void {
  write(ledger, () => {
    ledger.database
      .prepare(
        `INSERT INTO aliases (model, alias, version, updated_at_ms) VALUES (@model, @alias, @version, @updatedAtMs)
         ON CONFLICT (model, alias) DO UPDATE SET version = excluded.version, updated_at_ms = excluded.updated_at_ms`,
      )
      .run(alias);
    const { model, alias: name, version, updatedAtMs } = alias;
    appendAudit(ledger, 'alias', { model, alias: name, version, updatedAtMs }, updatedAtMs);
  });
}

/** Of an alias that a promotion made and that was taken back with it. */
export function deleteAlias(ledger: Ledger, model: string, alias: string, removedAtMs: number): void {
  write(ledger, () => {
    const { changes } = ledger.database.prepare('DELETE FROM aliases WHERE model = ? AND alias = ?').run(model, alias);
    if (changes > 0) appendAudit(ledger, 'alias_removed', { model, alias }, removedAtMs);
  });
}

/**
 * `tickets:2`, `tickets@production`, or `tickets` (the newest version).
 * @throws MlxError USAGE for another form, NOT_FOUND with the nearest names
 */
export function findVersion(ledger: Ledger, reference: string): ModelVersion {
  const match = /^(?<model>[a-z0-9][a-z0-9._-]*)(?::v?(?<version>\d+)|@(?<alias>[a-z][a-z0-9-]*))?$/.exec(reference);
  const { model, version, alias } = match?.groups ?? {};
  if (model === undefined) {
    throw new MlxError('USAGE', `'${reference}' does not name a model version.`, {
      hint: 'Write NAME, NAME:VERSION or NAME@ALIAS, for example tickets:2 or tickets@production',
    });
  }
  const versions = listVersions(ledger, model);
  if (versions.length === 0) throw unknownModel(ledger, model);
  const number =
    version !== undefined
      ? Number(version)
      : alias !== undefined
        ? aliasedVersion(ledger, model, alias)
        : versions[0]?.version;
  const found = versions.find((candidate) => candidate.version === number);
  if (found) return found;
  const known = [
    ...versions.map((candidate) => `${model}:${candidate.version}`),
    ...listAliases(ledger, model).map((row) => `${model}@${row.alias}`),
  ];
  throw new MlxError('NOT_FOUND', `There is no ${reference}.`, { hint: `There are: ${known.slice(0, 8).join(', ')}` });
}

function unknownModel(ledger: Ledger, model: string): MlxError {
  const names = ledger.database
    .prepare('SELECT DISTINCT model FROM model_versions ORDER BY model')
    .pluck()
    .all() as string[];
  if (names.length === 0)
    return new MlxError('NOT_FOUND', `There is no model '${model}': nothing is packaged yet.`, {
      hint: 'Package a run: mlx package latest',
    });
  const nearest = closest(model, names);
  const guess = distance(model, nearest) <= 3 ? `Did you mean ${nearest}? ` : '';
  return new MlxError('NOT_FOUND', `There is no model '${model}'.`, { hint: `${guess}See them all: mlx models ls` });
}
