// Routes of which a share of the requests goes to another version: a canary, or copies of them, a shadow.
import { write, type Ledger } from './open.js';

export type RouteSplit = {
  /** The route that is divided, `tickets`. */
  name: string;
  kind: 'canary' | 'shadow';
  /** The route that gets the share, `tickets@canary`. */
  candidate: string;
  percent: number;
  /** What keeps a client on one side; `request`: each request is for itself. */
  sticky: 'key' | 'feature' | 'request';
  /** The command that steps it; null when it was left as it is, for a person to decide. */
  owner: string | null;
};

export function listSplits(ledger: Ledger): RouteSplit[] {
  return ledger.database
    .prepare('SELECT name, kind, candidate, percent, sticky, owner FROM route_splits ORDER BY name')
    .all() as RouteSplit[];
}

export function findSplit(ledger: Ledger, name: string): RouteSplit | undefined {
  return listSplits(ledger).find((split) => split.name === name);
}

export function setSplit(ledger: Ledger, split: RouteSplit): void {
  write(ledger, () =>
    ledger.database
      .prepare(
        `INSERT INTO route_splits (name, kind, candidate, percent, sticky, owner)
         VALUES (@name, @kind, @candidate, @percent, @sticky, @owner)
         ON CONFLICT (name) DO UPDATE SET kind = excluded.kind, candidate = excluded.candidate, percent = excluded.percent,
           sticky = excluded.sticky, owner = excluded.owner`,
      )
      .run(split),
  );
}

/** Compare and set, for the command that steps it. @returns false when somebody else has ended it meanwhile */
export function changeSplit(ledger: Ledger, split: RouteSplit, owner: string): boolean {
  return write(ledger, () => {
    const changed = ledger.database
      .prepare('UPDATE route_splits SET percent = @percent, owner = @next WHERE name = @name AND owner = @owner')
      .run({ name: split.name, percent: split.percent, next: split.owner, owner }).changes;
    return changed === 1;
  });
}

export function deleteSplit(ledger: Ledger, name: string): void {
  write(ledger, () => ledger.database.prepare('DELETE FROM route_splits WHERE name = ?').run(name));
}
