// The append-only hash chain over what must not be rewritten in silence: model versions with what they scored, aliases, promotions.
// Each entry is written in the transaction of the change itself and holds the SHA-256 of the entry before it.
import { createHash } from 'node:crypto';

import { scoresHash } from './metrics.js';
import type { Ledger } from './open.js';

export type AuditKind = 'version' | 'alias' | 'alias_removed' | 'promotion_started' | 'promotion_ended';

export type AuditEntry = {
  sequence: number;
  recordedAtMs: number;
  kind: AuditKind;
  body: string;
  previousHash: string;
  hash: string;
};

export type AuditFinding = { sequence: number | null; what: string };

export type AuditReport = { entries: number; headHash: string; findings: AuditFinding[] };

const genesis = '0'.repeat(64);

/** Call inside the write transaction of the change. `body` keeps the order of its keys. */
export function appendAudit(
  ledger: Ledger,
  kind: AuditKind,
  body: Record<string, unknown>,
  recordedAtMs: number,
): void {
  const head = ledger.database.prepare('SELECT sequence, hash FROM audit_log ORDER BY sequence DESC LIMIT 1').get() as
    { sequence: number; hash: string } | undefined;
  const entry = {
    sequence: (head?.sequence ?? 0) + 1,
    recordedAtMs,
    kind,
    body: JSON.stringify(body),
    previousHash: head?.hash ?? genesis,
  };
  ledger.database
    .prepare(
      'INSERT INTO audit_log (sequence, recorded_at_ms, kind, body, previous_hash, hash) VALUES (@sequence, @recordedAtMs, @kind, @body, @previousHash, @hash)',
    )
    .run({ ...entry, hash: hashEntry(entry) });
}

/**
 * Finds an entry that was edited, removed or inserted, and a row of the ledger that no longer says what its entry says.
 * @param keptHead beginning of an earlier head hash that was kept elsewhere: a chain written anew does not hold it
 */
export function verifyAudit(ledger: Ledger, keptHead?: string): AuditReport {
  const entries = ledger.database
    .prepare(
      'SELECT sequence, recorded_at_ms AS recordedAtMs, kind, body, previous_hash AS previousHash, hash FROM audit_log ORDER BY sequence',
    )
    .all() as AuditEntry[];
  return {
    entries: entries.length,
    headHash: entries.at(-1)?.hash ?? genesis,
    findings: [...checkChain(entries), ...checkHead(entries, keptHead), ...checkRows(ledger, entries)],
  };
}

function checkChain(entries: AuditEntry[]): AuditFinding[] {
  const findings: AuditFinding[] = [];
  let previousHash = genesis;
  for (const [index, entry] of entries.entries()) {
    const { sequence } = entry;
    if (sequence !== index + 1) findings.push({ sequence, what: `entry ${index + 1} is missing` });
    else if (entry.previousHash !== previousHash)
      findings.push({ sequence, what: `entry ${sequence} does not follow the entry before it` });
    if (hashEntry(entry) !== entry.hash)
      findings.push({ sequence, what: `entry ${sequence} (${entry.kind}) was edited` });
    previousHash = entry.hash;
  }
  return findings;
}

function checkHead(entries: AuditEntry[], keptHead: string | undefined): AuditFinding[] {
  if (keptHead === undefined || [genesis, ...entries.map(({ hash }) => hash)].some((hash) => hash.startsWith(keptHead)))
    return [];
  return [{ sequence: null, what: `no entry has the hash ${keptHead} that was kept: the chain was written anew` }];
}

/** What the newest entry of each thing says must be what its row says, and every row must have an entry. */
function checkRows(ledger: Ledger, entries: AuditEntry[]): AuditFinding[] {
  const expected = new Map<string, { sequence: number; row: string }>();
  for (const { sequence, kind, body } of entries) {
    if (kind === 'alias_removed') expected.delete(aliasKey(parseBody(body)));
    for (const [key, row] of expectedRows(kind, body, expected)) expected.set(key, { sequence, row });
  }
  const findings: AuditFinding[] = [];
  for (const [key, row] of [...actualRows(ledger), ...actualScores(ledger, expected)]) {
    const entry = expected.get(key);
    if (entry === undefined) findings.push({ sequence: null, what: `${key} has no entry` });
    else if (entry.row !== row)
      findings.push({ sequence: entry.sequence, what: `${key} is not what entry ${entry.sequence} says` });
    expected.delete(key);
  }
  for (const [key, { sequence }] of expected) findings.push({ sequence, what: `${key} was deleted` });
  return findings;
}

function expectedRows(kind: AuditKind, body: string, before: Map<string, { row: string }>): [string, string][] {
  const fields = parseBody(body);
  switch (kind) {
    case 'version':
      return versionRows(fields);
    case 'alias':
      return [[aliasKey(fields), body]];
    case 'alias_removed':
      return [];
    case 'promotion_started':
      return [
        [
          `promotion ${text(fields['id'])}`,
          JSON.stringify({ ...fields, state: 'started', endedAtMs: null, errorCode: null }),
        ],
      ];
    case 'promotion_ended': {
      const key = `promotion ${text(fields['id'])}`;
      const started = parseBody(before.get(key)?.row ?? '{}');
      return [[key, JSON.stringify({ ...started, ...fields })]];
    }
  }
}

/** Entries of an earlier mlx say nothing of scores. */
function versionRows({ scoresSha256, ...row }: Record<string, unknown>): [string, string][] {
  const name = `${text(row['model'])}:${text(row['version'])}`;
  const scores: [string, string][] = scoresSha256 === undefined ? [] : [[scoresKey(name), text(scoresSha256)]];
  return [[`version ${name}`, JSON.stringify(row)], ...scores];
}

function actualScores(ledger: Ledger, expected: ReadonlyMap<string, unknown>): [string, string][] {
  const versions = ledger.database
    .prepare("SELECT model || ':' || version AS name, run_id AS runId FROM model_versions")
    .all() as { name: string; runId: string }[];
  return versions
    .filter(({ name }) => expected.has(scoresKey(name)))
    .map(({ name, runId }) => [scoresKey(name), scoresHash(ledger, runId)]);
}

function scoresKey(version: string): string {
  return `scores of ${version}`;
}

function aliasKey(row: Record<string, unknown>): string {
  return `alias ${text(row['model'])}@${text(row['alias'])}`;
}

function actualRows(ledger: Ledger): [string, string][] {
  const all = (query: string): Record<string, unknown>[] =>
    ledger.database.prepare(query).all() as Record<string, unknown>[];
  const versions = all('SELECT model, version, digest, run_id AS runId, base_commit AS baseCommit FROM model_versions');
  const aliases = all('SELECT model, alias, version, updated_at_ms AS updatedAtMs FROM aliases');
  const promotions = all(
    `SELECT id, kind, model, alias, from_version AS fromVersion, to_version AS toVersion, actor, reason, started_at_ms AS startedAtMs,
       state, ended_at_ms AS endedAtMs, error_code AS errorCode FROM promotions`,
  );
  return [
    ...versions.map((row): [string, string] => [
      `version ${text(row['model'])}:${text(row['version'])}`,
      JSON.stringify(row),
    ]),
    ...aliases.map((row): [string, string] => [aliasKey(row), JSON.stringify(row)]),
    ...promotions.map((row): [string, string] => [`promotion ${text(row['id'])}`, JSON.stringify(row)]),
  ];
}

function hashEntry(entry: Omit<AuditEntry, 'hash'>): string {
  const { sequence, recordedAtMs, kind, body, previousHash } = entry;
  return createHash('sha256')
    .update(JSON.stringify([sequence, recordedAtMs, kind, body, previousHash]))
    .digest('hex');
}

/** An edited body may be anything; what is no object then matches no row. */
function parseBody(body: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(body);
    return typeof value === 'object' && value !== null ? { ...value } : {};
  } catch {
    return {};
  }
}

function text(value: unknown): string {
  return typeof value === 'string' || typeof value === 'number' ? String(value) : '?';
}
