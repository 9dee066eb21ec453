// Keys of the gateway's clients: whom they are for, what they may use and how much. Of a secret only its hash is here.
import { write, type Ledger } from './open.js';

/** How much may be used; null is without limit. Days and months are UTC's. */
export type Limits = {
  usdPerDay: number | null;
  usdPerMonth: number | null;
  tokensPerDay: number | null;
  tokensPerMonth: number | null;
  requestsPerMinute: number | null;
  tokensPerMinute: number | null;
};

export type ApiKey = {
  /** Ten letters and digits: the part of the key that may be shown. */
  id: string;
  name: string | null;
  tenant: string | null;
  /** The first is taken when a request names none; empty: a request may name any. */
  features: string[];
  /** Names of routes; empty: every route. */
  models: string[];
  limits: Limits;
  createdAtMs: number;
  revokedAtMs: number | null;
  secrets: KeySecret[];
};

export type KeySecret = {
  sha256: string;
  createdAtMs: number;
  /** null: until the key is revoked. */
  expiresAtMs: number | null;
};

export type NewKey = Omit<ApiKey, 'revokedAtMs' | 'secrets'> & { sha256: string };

type Row = Limits &
  Pick<ApiKey, 'id' | 'name' | 'tenant' | 'createdAtMs' | 'revokedAtMs'> & { features: string; models: string };

const columns = `id, name, tenant, features, models, usd_per_day AS usdPerDay, usd_per_month AS usdPerMonth,
  tokens_per_day AS tokensPerDay, tokens_per_month AS tokensPerMonth, requests_per_minute AS requestsPerMinute,
  tokens_per_minute AS tokensPerMinute, created_at_ms AS createdAtMs, revoked_at_ms AS revokedAtMs`;

export function insertKey(ledger: Ledger, key: NewKey): void {
  const { limits, features, models, sha256, ...plain } = key;
  write(ledger, () => {
    ledger.database
      .prepare(
        `INSERT INTO api_keys (id, name, tenant, features, models, usd_per_day, usd_per_month, tokens_per_day, tokens_per_month,
           requests_per_minute, tokens_per_minute, created_at_ms)
         VALUES (@id, @name, @tenant, @features, @models, @usdPerDay, @usdPerMonth, @tokensPerDay, @tokensPerMonth,
           @requestsPerMinute, @tokensPerMinute, @createdAtMs)`,
      )
      .run({ ...plain, ...limits, features: JSON.stringify(features), models: JSON.stringify(models) });
    insertSecret(ledger, key.id, { sha256, createdAtMs: key.createdAtMs, expiresAtMs: null });
  });
}

/** Newest first, revoked ones too. A ledger that an older mlx wrote has none yet. */
export function listKeys(ledger: Ledger): ApiKey[] {
  if (!hasKeyTable(ledger)) return [];
  const secrets = ledger.database
    .prepare(
      'SELECT key_id AS keyId, sha256, created_at_ms AS createdAtMs, expires_at_ms AS expiresAtMs FROM api_key_secrets ORDER BY created_at_ms',
    )
    .all() as (KeySecret & { keyId: string })[];
  const rows = ledger.database
    .prepare(`SELECT ${columns} FROM api_keys ORDER BY created_at_ms DESC, id`)
    .all() as Row[];
  return rows.map((row) =>
    toKey(
      row,
      secrets.filter(({ keyId }) => keyId === row.id),
    ),
  );
}

export function revokeKey(ledger: Ledger, id: string, nowMs: number): void {
  write(ledger, () =>
    ledger.database
      .prepare('UPDATE api_keys SET revoked_at_ms = ? WHERE id = ? AND revoked_at_ms IS NULL')
      .run(nowMs, id),
  );
}

/** The key keeps its id, its limits and what was used of them; secrets that are valid now end at `oldExpireAtMs`. */
export function addSecret(ledger: Ledger, id: string, sha256: string, nowMs: number, oldExpireAtMs: number): void {
  write(ledger, () => {
    ledger.database
      .prepare(
        'UPDATE api_key_secrets SET expires_at_ms = @oldExpireAtMs WHERE key_id = @id AND (expires_at_ms IS NULL OR expires_at_ms > @oldExpireAtMs)',
      )
      .run({ id, oldExpireAtMs });
    insertSecret(ledger, id, { sha256, createdAtMs: nowMs, expiresAtMs: null });
  });
}

function insertSecret(ledger: Ledger, keyId: string, secret: KeySecret): void {
  ledger.database
    .prepare(
      'INSERT INTO api_key_secrets (key_id, sha256, created_at_ms, expires_at_ms) VALUES (@keyId, @sha256, @createdAtMs, @expiresAtMs)',
    )
    .run({ keyId, ...secret });
}

function hasKeyTable(ledger: Ledger): boolean {
  return (
    ledger.database.prepare("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'api_keys'").get() !==
    undefined
  );
}

function toKey(row: Row, secrets: KeySecret[]): ApiKey {
  const { id, name, tenant, createdAtMs, revokedAtMs, features, models, ...limits } = row;
  return {
    ...{ id, name, tenant, createdAtMs, revokedAtMs, limits },
    features: JSON.parse(features) as string[],
    models: JSON.parse(models) as string[],
    secrets: secrets.map(({ sha256, createdAtMs: madeAtMs, expiresAtMs }) => ({
      sha256,
      createdAtMs: madeAtMs,
      expiresAtMs,
    })),
  };
}
