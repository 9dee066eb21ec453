// Model servers without a route that are kept running for a while, so that the way back is a switch of the route alone.
import { write, type Ledger } from './open.js';

export type WarmServer = {
  serverId: string;
  model: string;
  version: number;
  engine: 'docker' | 'host';
  untilMs: number;
};

export function listWarmServers(ledger: Ledger): WarmServer[] {
  return ledger.database
    .prepare(
      'SELECT server_id AS serverId, model, version, engine, until_ms AS untilMs FROM warm_servers ORDER BY server_id',
    )
    .all() as WarmServer[];
}

export function keepWarm(ledger: Ledger, server: WarmServer): void {
  write(ledger, () =>
    ledger.database
      .prepare(
        `INSERT INTO warm_servers (server_id, model, version, engine, until_ms)
         VALUES (@serverId, @model, @version, @engine, @untilMs)
         ON CONFLICT (server_id) DO UPDATE SET until_ms = excluded.until_ms`,
      )
      .run(server),
  );
}

/** Compare and set: of a command that wants to use it and one that stops it, one gets it. */
export function setWarmUntil(
  ledger: Ledger,
  serverId: string,
  { notBeforeMs, untilMs }: { notBeforeMs: number; untilMs: number },
): boolean {
  return write(ledger, () => {
    const changed = ledger.database
      .prepare('UPDATE warm_servers SET until_ms = ? WHERE server_id = ? AND until_ms >= ?')
      .run(untilMs, serverId, notBeforeMs).changes;
    return changed === 1;
  });
}

export function forgetWarm(ledger: Ledger, serverIds: readonly string[]): void {
  if (serverIds.length === 0) return;
  write(ledger, () => {
    const forget = ledger.database.prepare('DELETE FROM warm_servers WHERE server_id = ?');
    for (const id of serverIds) forget.run(id);
  });
}
