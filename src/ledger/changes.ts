// Whether another process wrote to a ledger since the last look: asked often, so it must cost next to nothing.
import { statSync } from 'node:fs';

import { errorCode } from '../errors.js';
import { openLedgerForReading, type Ledger } from './open.js';

export type LedgerWatch = {
  /** True at the first look too. Source: https://www.sqlite.org/pragma.html#pragma_data_version */
  changed: () => boolean;
  close: () => void;
};

export function watchLedger(file: string): LedgerWatch {
  let ledger: Ledger | undefined;
  let seen = '';
  const look = (): string => {
    const inode = inodeOf(file);
    // A restored copy is another file under the same name.
    if (!seen.startsWith(`${inode}:`)) {
      ledger?.close();
      ledger = openLedgerForReading(file);
    }
    const version = ledger ? String(ledger.database.pragma('data_version', { simple: true })) : '';
    return `${inode}:${version}`;
  };
  return {
    changed: () => {
      const now = look();
      const different = now !== seen;
      seen = now;
      return different;
    },
    close: () => ledger?.close(),
  };
}

function inodeOf(file: string): string {
  try {
    return String(statSync(file, { bigint: true }).ino);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return 'none';
    throw error;
  }
}
