// Routes whose requests wait in the gateway, because their server is being replaced and there is no room for two.
import { write, type Ledger } from './open.js';

/** Who waits longer than `untilMs` is told to come again. */
export type RouteHold = { name: string; untilMs: number };

export function listHolds(ledger: Ledger): RouteHold[] {
  return ledger.database
    .prepare('SELECT name, until_ms AS untilMs FROM route_holds ORDER BY name')
    .all() as RouteHold[];
}

export function holdRoute(ledger: Ledger, hold: RouteHold): void {
  write(ledger, () =>
    ledger.database
      .prepare(
        `INSERT INTO route_holds (name, until_ms) VALUES (@name, @untilMs)
         ON CONFLICT (name) DO UPDATE SET until_ms = excluded.until_ms`,
      )
      .run(hold),
  );
}

export function releaseRoute(ledger: Ledger, name: string): void {
  write(ledger, () => ledger.database.prepare('DELETE FROM route_holds WHERE name = ?').run(name));
}
