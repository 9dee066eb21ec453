// Holds a ledger against what its writers were told: nothing acknowledged is lost, nothing is half there, the file is whole.
import { verifyAudit } from '../dist/ledger-audit.js';
import { openLedger } from '../dist/ledger-open.js';

/**
 * @param {string} file
 * @param {Iterable<string>} acknowledgements lines of ledger-writer.js: `metric RUN STEP`, `version RUN STEP`
 * @returns how many were acknowledged, lost, torn (some of the three rows of a step), and what else is wrong
 */
export function checkLedger(file, acknowledgements) {
  const ledger = openLedger(file);
  try {
    const present = new Set([...stepsWith(ledger, 3), ...versions(ledger)]);
    const acknowledged = [...acknowledgements].filter((line) => !line.startsWith('refused'));
    return {
      acknowledged: acknowledged.length,
      lost: acknowledged.filter((line) => !present.has(line)).length,
      torn: stepsWith(ledger, 1).length + stepsWith(ledger, 2).length,
      integrity: String(ledger.database.pragma('integrity_check', { simple: true })),
      audit: verifyAudit(ledger).findings.length,
    };
  } finally {
    ledger.close();
  }
}

export function isWhole({ lost, torn, integrity, audit }) {
  return lost === 0 && torn === 0 && integrity === 'ok' && audit === 0;
}

export function describeCheck({ acknowledged, lost, torn, integrity, audit }) {
  const chain = audit === 0 ? 'audit chain whole' : `${audit} findings in the audit chain`;
  return `${acknowledged} acknowledged, ${lost} lost, ${torn} torn, integrity ${integrity}, ${chain}`;
}

function stepsWith(ledger, rows) {
  return ledger.database
    .prepare("SELECT 'metric ' || run_id || ' ' || step FROM metrics GROUP BY run_id, step HAVING count(*) = ?")
    .pluck()
    .all(rows);
}

function versions(ledger) {
  return ledger.database.prepare("SELECT 'version ' || model || ' ' || version FROM model_versions").pluck().all();
}
