// SQLite: the native module loads, is new enough, and the project's ledger is whole.
import { existsSync, statSync } from 'node:fs';

import { errorMessage, MlxError } from '../errors.js';
import type { openLedger } from '../ledger/open.js';
import { fail, ok, type Finding } from './finding.js';
import type { Machine } from './machine.js';

type OpenLedger = typeof openLedger;

export async function checkSqlite(machine: Machine): Promise<Finding[]> {
  // Loaded here: a module that was built for another Node is a finding, not the end of the doctor.
  const module = await import('../ledger/open.js').catch((error: unknown) => errorMessage(error));
  const why = 'Runs and versions are recorded in it.';
  if (typeof module === 'string') return [fail('sqlite', module, why, 'npm rebuild better-sqlite3')];
  try {
    const memory = module.openLedger(':memory:');
    const version = String(memory.database.prepare('SELECT sqlite_version()').pluck().get());
    memory.close();
    return [ok('sqlite', `SQLite ${version}`), ...checkLedger(machine, module.openLedger)];
  } catch (error) {
    if (error instanceof MlxError) return [fail('sqlite', error.message, why, error.hint ?? 'npm ci')];
    return [fail('sqlite', errorMessage(error), why, 'npm rebuild better-sqlite3')];
  }
}

function checkLedger(machine: Machine, open: OpenLedger): Finding[] {
  const file = machine.project?.ledgerFile;
  if (file === undefined || !existsSync(file)) return [];
  const fix = 'See the newest good copy and how to restore it: mlx backup --help';
  try {
    const ledger = open(file);
    const found = String(ledger.database.pragma('quick_check(1)', { simple: true }));
    ledger.close();
    const mib = (statSync(file).size / 2 ** 20).toFixed(1);
    if (found === 'ok') return [ok('ledger', `${file}, ${mib} MiB, intact`)];
    return [fail('ledger', `${file}: ${found}`, 'Rows of it cannot be trusted.', fix)];
  } catch (error) {
    if (!(error instanceof MlxError)) throw error;
    return [fail('ledger', error.message, 'No run can be recorded.', error.hint ?? fix)];
  }
}
