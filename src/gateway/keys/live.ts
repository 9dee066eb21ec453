// The keys of the ledger, in the gateway's memory. A command that makes or revokes one tells the gateway; should that fail, the
// gateway finds out by itself within half a second.
import { watchLedger } from '../../ledger/changes.js';
import { listKeys } from '../../ledger/keys.js';
import { openLedgerForReading } from '../../ledger/open.js';
import { keyRing, type KeyRing } from './ring.js';

export type LiveKeys = { ring: () => KeyRing; reload: () => void; close: () => void };

const lookEveryMs = 500;

/** @param onChange after each change of the keys that this found by itself, and each `reload` */
export function liveKeys(ledgerFile: string, ownerKey: string, onChange: () => void): LiveKeys {
  let ring = readRing(ledgerFile, ownerKey);
  const reload = (): void => {
    ring = readRing(ledgerFile, ownerKey);
    onChange();
  };
  const watch = watchLedger(ledgerFile);
  watch.changed();
  const looking = setInterval(() => {
    try {
      if (watch.changed()) reload();
    } catch {
      // A ledger that is being restored or is locked: the keys of a moment ago stay until the next look.
    }
  }, lookEveryMs).unref();
  return {
    ring: () => ring,
    reload,
    close: () => {
      clearInterval(looking);
      watch.close();
    },
  };
}

function readRing(ledgerFile: string, ownerKey: string): KeyRing {
  const ledger = openLedgerForReading(ledgerFile);
  if (!ledger) return keyRing(ownerKey, []);
  try {
    return keyRing(ownerKey, listKeys(ledger));
  } finally {
    ledger.close();
  }
}
