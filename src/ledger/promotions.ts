// Promotions and rollbacks (who, when, from, to, why), and the routes that they switch.
import { appendAudit } from './audit.js';
import { write, type Ledger } from './open.js';

export type Promotion = {
  id: number;
  kind: 'promote' | 'rollback';
  model: string;
  alias: string;
  fromVersion: number | null;
  toVersion: number;
  state: 'started' | 'promoted' | 'failed';
  actor: string;
  reason: string | null;
  owner: string | null;
  startedAtMs: number;
  endedAtMs: number | null;
  errorCode: string | null;
  errorMessage: string | null;
  /** Set before the first step is undone: from then on there is no way but back. */
  undoCode: string | null;
  undoMessage: string | null;
};

/** The version was live already, and its server was gone. Pure. */
export function isRestart({ fromVersion, toVersion }: Pick<Promotion, 'fromVersion' | 'toVersion'>): boolean {
  return fromVersion === toVersion;
}

export type NewPromotion = Pick<
  Promotion,
  'kind' | 'model' | 'alias' | 'fromVersion' | 'toVersion' | 'actor' | 'reason' | 'owner' | 'startedAtMs'
>;

export type PromotionEnd = Pick<Promotion, 'state' | 'errorCode' | 'errorMessage'> & { endedAtMs: number };

/** Where the gateway sends requests for a name. The row is the truth; the gateway holds a copy in memory. */
export type Route = {
  name: string;
  model: string;
  version: number;
  digest: string;
  serverId: string;
  engine: 'docker' | 'host';
  address: string;
  /** What the version answers to at its server; null or left out: the model's name. */
  servedName?: string | null | undefined;
  updatedAtMs: number;
};

const columns = `id, kind, model, alias, from_version AS fromVersion, to_version AS toVersion, state, actor, reason, owner,
  started_at_ms AS startedAtMs, ended_at_ms AS endedAtMs, error_code AS errorCode, error_message AS errorMessage,
  undo_code AS undoCode, undo_message AS undoMessage`;

export function startPromotion(ledger: Ledger, promotion: NewPromotion): number {
  return write(ledger, () => {
    const inserted = ledger.database
      .prepare(
        `INSERT INTO promotions (kind, model, alias, from_version, to_version, state, actor, reason, owner, started_at_ms)
         VALUES (@kind, @model, @alias, @fromVersion, @toVersion, 'started', @actor, @reason, @owner, @startedAtMs)`,
      )
      .run(promotion);
    const id = Number(inserted.lastInsertRowid);
    const { kind, model, alias, fromVersion, toVersion, actor, reason, startedAtMs } = promotion;
    appendAudit(
      ledger,
      'promotion_started',
      { id, kind, model, alias, fromVersion, toVersion, actor, reason, startedAtMs },
      startedAtMs,
    );
    return id;
  });
}

export function endPromotion(ledger: Ledger, id: number, end: PromotionEnd): void {
  write(ledger, () => {
    ledger.database
      .prepare(
        'UPDATE promotions SET state = @state, ended_at_ms = @endedAtMs, error_code = @errorCode, error_message = @errorMessage, owner = NULL WHERE id = @id',
      )
      .run({ ...end, id });
    const { state, endedAtMs, errorCode } = end;
    appendAudit(ledger, 'promotion_ended', { id, state, endedAtMs, errorCode }, endedAtMs);
  });
}

/** Compare and set: of several commands that find the same dead owner, one gets the promotion. */
export function takeOverPromotion(ledger: Ledger, id: number, deadOwner: string | null, owner: string): boolean {
  return write(ledger, () => {
    const changed = ledger.database
      .prepare("UPDATE promotions SET owner = ? WHERE id = ? AND state = 'started' AND owner IS ?")
      .run(owner, id, deadOwner).changes;
    return changed === 1;
  });
}

export function turnPromotionBack(ledger: Ledger, id: number, why: { code: string; message: string }): void {
  write(ledger, () =>
    ledger.database
      .prepare('UPDATE promotions SET undo_code = @code, undo_message = @message WHERE id = @id')
      .run({ ...why, id }),
  );
}

/** For a command that leaves the rest to the next one. */
export function releasePromotion(ledger: Ledger, id: number): void {
  write(ledger, () => ledger.database.prepare('UPDATE promotions SET owner = NULL WHERE id = ?').run(id));
}

/** Those under way, oldest first. One look at a small index: every command can afford it. */
export function openPromotions(ledger: Ledger): Promotion[] {
  return ledger.database
    .prepare(`SELECT ${columns} FROM promotions WHERE state = 'started' ORDER BY id`)
    .all() as Promotion[];
}

/** @returns undefined when there is none with that number */
export function findPromotion(ledger: Ledger, id: number): Promotion | undefined {
  return ledger.database.prepare(`SELECT ${columns} FROM promotions WHERE id = ?`).get(id) as Promotion | undefined;
}

/** Newest first. */
export function listPromotions(
  ledger: Ledger,
  filter: {
    model?: string | undefined;
    state?: Promotion['state'] | undefined;
    /** False leaves out restarts of a version that was live already, unless they failed. */
    restarts?: boolean;
    limit: number;
  },
): Promotion[] {
  return ledger.database
    .prepare(
      `SELECT ${columns} FROM promotions WHERE (@model IS NULL OR model = @model) AND (@state IS NULL OR state = @state)
         AND (@restarts OR state = 'failed' OR from_version IS NOT to_version) ORDER BY id DESC LIMIT @limit`,
    )
    .all({
      model: filter.model ?? null,
      state: filter.state ?? null,
      restarts: filter.restarts === false ? 0 : 1,
      limit: filter.limit,
    }) as Promotion[];
}

/** Oldest first: what moved an alias from one version to another, restarts left out. */
export function listSwitches(
  ledger: Ledger,
  { model, alias, states }: Pick<Promotion, 'model' | 'alias'> & { states: readonly Promotion['state'][] },
): Pick<Promotion, 'kind' | 'fromVersion' | 'toVersion'>[] {
  return ledger.database
    .prepare(
      `SELECT kind, from_version AS fromVersion, to_version AS toVersion FROM promotions
       WHERE model = ? AND alias = ? AND from_version IS NOT to_version AND state IN (SELECT value FROM json_each(?)) ORDER BY id`,
    )
    .all(model, alias, JSON.stringify(states)) as Pick<Promotion, 'kind' | 'fromVersion' | 'toVersion'>[];
}

export function listRoutes(ledger: Ledger): Route[] {
  return ledger.database
    .prepare(
      'SELECT name, model, version, digest, server_id AS serverId, engine, address, served_name AS servedName, updated_at_ms AS updatedAtMs FROM routes ORDER BY name',
    )
    .all() as Route[];
}

export function findRoute(ledger: Ledger, name: string): Route | undefined {
  return listRoutes(ledger).find((route) => route.name === name);
}

export function setRoute(ledger: Ledger, route: Route): void {
  write(ledger, () =>
    ledger.database
      .prepare(
        `INSERT INTO routes (name, model, version, digest, server_id, engine, address, served_name, updated_at_ms)
         VALUES (@name, @model, @version, @digest, @serverId, @engine, @address, @servedName, @updatedAtMs)
         ON CONFLICT (name) DO UPDATE SET model = excluded.model, version = excluded.version, digest = excluded.digest,
           server_id = excluded.server_id, engine = excluded.engine, address = excluded.address,
           served_name = excluded.served_name, updated_at_ms = excluded.updated_at_ms`,
      )
      .run({ ...route, servedName: route.servedName ?? null }),
  );
}

export function deleteRoute(ledger: Ledger, name: string): void {
  write(ledger, () => ledger.database.prepare('DELETE FROM routes WHERE name = ?').run(name));
}
