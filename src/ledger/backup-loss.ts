// What a restore would take away: rows of the ledger that came after the copy. Opens both files for reading only.
import { existsSync } from 'node:fs';

import Database from 'better-sqlite3';

export type Loss = { runs: number; versions: number; promotions: number };

/** @returns undefined when one of the two cannot be read, or there is no ledger to lose */
export function lostByRestore(ledgerFile: string, copy: string): Loss | undefined {
  const [present, restored] = [idsOf(ledgerFile), idsOf(copy)];
  if (present === undefined || restored === undefined) return undefined;
  const lost = (name: keyof Loss): number => [...present[name]].filter((id) => !restored[name].has(id)).length;
  return { runs: lost('runs'), versions: lost('versions'), promotions: lost('promotions') };
}

function idsOf(file: string): Record<keyof Loss, Set<string>> | undefined {
  if (!existsSync(file)) return undefined;
  try {
    const database = new Database(file, { readonly: true, fileMustExist: true });
    try {
      const ids = (query: string): Set<string> => new Set(database.prepare(query).pluck().all().map(String));
      return {
        runs: ids('SELECT id FROM runs'),
        versions: ids("SELECT model || ':' || version FROM model_versions"),
        promotions: ids('SELECT id FROM promotions'),
      };
    } finally {
      database.close();
    }
  } catch {
    return undefined;
  }
}
