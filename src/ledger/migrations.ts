// Numbered migrations of the ledger. A migration, once released, never changes; a new one is added at the end.
import type Database from 'better-sqlite3';

import { MlxError } from '../errors.js';
import { keepBeforeMigration } from './backup.js';

const migrations: readonly string[] = [
  /* 1: runs and their metrics, model versions and their aliases, promotions, routes, the audit chain */ `
  CREATE TABLE runs (
    id TEXT PRIMARY KEY,
    recipe TEXT NOT NULL,
    recipe_file TEXT NOT NULL,
    method TEXT NOT NULL,
    base_model TEXT NOT NULL,
    base_commit TEXT NOT NULL,
    seed INTEGER NOT NULL,
    engine TEXT NOT NULL,
    seal TEXT,
    state TEXT NOT NULL CHECK (state IN ('running', 'finished', 'failed', 'stopped', 'lost')),
    owner TEXT,
    started_at_ms INTEGER NOT NULL,
    ended_at_ms INTEGER,
    error_code TEXT,
    error_message TEXT,
    error_hint TEXT,
    runtime TEXT,
    adapter_sha256 TEXT,
    device TEXT,
    steps INTEGER,
    tokens INTEGER,
    mlflow_run_id TEXT,
    mlflow_synced INTEGER NOT NULL DEFAULT 0
  ) STRICT;
  CREATE INDEX runs_by_start ON runs (started_at_ms DESC);
  CREATE INDEX runs_owned ON runs (id) WHERE owner IS NOT NULL;

  CREATE TABLE params (
    run_id TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (run_id, key)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE metrics (
    run_id TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    key TEXT NOT NULL,
    step INTEGER NOT NULL,
    value REAL NOT NULL,
    recorded_at_ms INTEGER NOT NULL,
    PRIMARY KEY (run_id, key, step)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE latest_metrics (
    run_id TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    key TEXT NOT NULL,
    step INTEGER NOT NULL,
    value REAL NOT NULL,
    PRIMARY KEY (run_id, key)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX latest_metrics_by_value ON latest_metrics (key, value);

  CREATE TABLE run_datasets (
    run_id TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    split TEXT NOT NULL,
    sources TEXT NOT NULL,
    rows INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    PRIMARY KEY (run_id, split)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE model_versions (
    model TEXT NOT NULL,
    version INTEGER NOT NULL,
    digest TEXT NOT NULL,
    engine TEXT NOT NULL,
    run_id TEXT NOT NULL REFERENCES runs (id),
    base_model TEXT NOT NULL,
    base_commit TEXT NOT NULL,
    settings TEXT NOT NULL,
    size_bytes INTEGER NOT NULL,
    created_at_ms INTEGER NOT NULL,
    PRIMARY KEY (model, version)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX model_versions_by_run ON model_versions (run_id);

  CREATE TABLE aliases (
    model TEXT NOT NULL,
    alias TEXT NOT NULL,
    version INTEGER NOT NULL,
    updated_at_ms INTEGER NOT NULL,
    PRIMARY KEY (model, alias),
    FOREIGN KEY (model, version) REFERENCES model_versions (model, version)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE promotions (
    id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('promote', 'rollback')),
    model TEXT NOT NULL,
    alias TEXT NOT NULL,
    from_version INTEGER,
    to_version INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('started', 'promoted', 'failed')),
    actor TEXT NOT NULL,
    reason TEXT,
    owner TEXT,
    started_at_ms INTEGER NOT NULL,
    ended_at_ms INTEGER,
    error_code TEXT,
    error_message TEXT
  ) STRICT;
  CREATE INDEX promotions_by_model ON promotions (model, id DESC);

  CREATE TABLE routes (
    name TEXT PRIMARY KEY,
    model TEXT NOT NULL,
    version INTEGER NOT NULL,
    digest TEXT NOT NULL,
    server_id TEXT NOT NULL,
    engine TEXT NOT NULL,
    address TEXT NOT NULL,
    updated_at_ms INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE audit_log (
    sequence INTEGER PRIMARY KEY,
    recorded_at_ms INTEGER NOT NULL,
    kind TEXT NOT NULL,
    body TEXT NOT NULL,
    previous_hash TEXT NOT NULL,
    hash TEXT NOT NULL
  ) STRICT;
  `,
  /* 2: which run a replay repeats */ `
  ALTER TABLE runs ADD COLUMN replay_of TEXT;
  `,
  /* 3: keys of the gateway's clients; a rotated key has two secrets for a while, and one set of limits */ `
  CREATE TABLE api_keys (
    id TEXT PRIMARY KEY,
    name TEXT,
    tenant TEXT,
    features TEXT NOT NULL,
    models TEXT NOT NULL,
    usd_per_day REAL,
    usd_per_month REAL,
    tokens_per_day INTEGER,
    tokens_per_month INTEGER,
    requests_per_minute INTEGER,
    tokens_per_minute INTEGER,
    created_at_ms INTEGER NOT NULL,
    revoked_at_ms INTEGER
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE api_key_secrets (
    key_id TEXT NOT NULL REFERENCES api_keys (id) ON DELETE CASCADE,
    sha256 TEXT NOT NULL,
    created_at_ms INTEGER NOT NULL,
    expires_at_ms INTEGER,
    PRIMARY KEY (key_id, sha256)
  ) STRICT, WITHOUT ROWID;
  `,
  /* 4: the steps of each promotion, and why it is being taken back */ `
  ALTER TABLE promotions ADD COLUMN undo_code TEXT;
  ALTER TABLE promotions ADD COLUMN undo_message TEXT;
  CREATE INDEX promotions_open ON promotions (id) WHERE state = 'started';

  CREATE TABLE promotion_steps (
    promotion_id INTEGER NOT NULL REFERENCES promotions (id),
    position INTEGER NOT NULL,
    step TEXT NOT NULL,
    subject TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('begun', 'done', 'undone')),
    begun_at_ms INTEGER NOT NULL,
    ended_at_ms INTEGER,
    PRIMARY KEY (promotion_id, position)
  ) STRICT, WITHOUT ROWID;
  `,
  /* 5: servers that are kept running after a switch */ `
  CREATE TABLE warm_servers (
    server_id TEXT PRIMARY KEY,
    model TEXT NOT NULL,
    version INTEGER NOT NULL,
    engine TEXT NOT NULL,
    until_ms INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  `,
  /* 6: routes whose requests wait */ `
  CREATE TABLE route_holds (
    name TEXT PRIMARY KEY,
    until_ms INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  `,
  /* 7: what a step found out */ `
  ALTER TABLE promotion_steps ADD COLUMN result TEXT;
  `,
  /* 8: routes of which another version gets a share */ `
  CREATE TABLE route_splits (
    name TEXT PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('canary', 'shadow')),
    candidate TEXT NOT NULL,
    percent REAL NOT NULL,
    sticky TEXT NOT NULL CHECK (sticky IN ('key', 'feature', 'request')),
    owner TEXT
  ) STRICT, WITHOUT ROWID;
  `,
  /* 9: a version that was loaded into another one's server answers to a name of its own; NULL: to its model's */ `
  ALTER TABLE routes ADD COLUMN served_name TEXT;
  `,
  /* 10: what was called the final loss of a run is the mean over its steps */ `
  UPDATE metrics SET key = 'train/mean_loss' WHERE key = 'train/final_loss';
  UPDATE latest_metrics SET key = 'train/mean_loss' WHERE key = 'train/final_loss';
  `,
];

/**
 * Brings the ledger to its newest schema. When it holds an older one, a copy of it is put among the backups first.
 * @throws MlxError LEDGER_NEWER when a newer mlx wrote it
 */
export function migrateLedger(database: Database.Database, file: string): void {
  const found = schemaVersion(database);
  if (found > 0 && found < migrations.length) keepBeforeMigration(database, file, found);
  const hint = 'Use the newer mlx that wrote it, or restore the copy that it made before: mlx backup --list';
  migrate(database, file, migrations, hint);
}

/**
 * Any database, in one transaction: wholly or not at all. Of logs there is no copy: it would be as large, and hold what is to be forgotten.
 * @throws MlxError LEDGER_NEWER when a newer mlx wrote it
 */
export function migrate(
  database: Database.Database,
  file: string,
  steps: readonly string[],
  hint = 'Use the newer mlx that wrote it, or move the file away: it begins anew.',
): void {
  const found = schemaVersion(database);
  if (found === steps.length) return;
  if (found > steps.length)
    throw new MlxError('LEDGER_NEWER', `${file} has schema ${found}; this mlx knows ${steps.length}.`, { hint });
  database
    .transaction(() => {
      // Another process may have migrated between the check and the lock.
      for (const step of steps.slice(schemaVersion(database))) database.exec(step);
      database.pragma(`user_version = ${steps.length}`);
    })
    .immediate();
}

function schemaVersion(database: Database.Database): number {
  return Number(database.pragma('user_version', { simple: true }));
}
