// Writes to a ledger until it is killed, and says what was committed: for kill-ledger.js and break-ledger.js.
//
//   node scripts/ledger-writer.js LEDGER RUN FIRST_STEP [COUNT]
//
// One transaction is three metrics of one step. Each line on stdout is an acknowledgement, written after COMMIT returned:
// `metric RUN STEP`; every tenth time also a model version and its alias, which are links of the audit chain: `version RUN STEP`.
// A write that failed is `refused CODE`, and the writer goes on.
import { writeSync } from 'node:fs';

import { recordMetrics } from '../dist/ledger-metrics.js';
import { openLedger } from '../dist/ledger-open.js';
import { insertRun } from '../dist/ledger-runs.js';
import { insertVersion, setAlias } from '../dist/ledger-versions.js';

const [file, run, first, count = 'Infinity'] = process.argv.slice(2);
const ledger = openLedger(file);
// For the control of break-ledger.js: with this setting a power cut does lose what was acknowledged.
if (process.env.LEDGER_SYNCHRONOUS === 'NORMAL') ledger.database.pragma('synchronous = NORMAL');
beginRun();
const end = Number(first) + Number(count);
for (let step = Number(first); step < end; step += 1) {
  attempt(`metric ${run} ${step}`, () => {
    const metrics = ['a', 'b', 'c'].map((key) => ({ key, step, value: step, recordedAtMs: step }));
    recordMetrics(ledger, run, metrics);
  });
  if (step % 10 === 0) attempt(`version ${run} ${step}`, () => addVersion(step));
}

/** A writer that was killed and started again finds its run there. */
function beginRun() {
  const known = ledger.database.prepare('SELECT 1 FROM runs WHERE id = ?').get(run);
  if (known) return;
  insertRun(ledger, {
    id: run,
    recipe: 'tickets',
    recipeFile: 'recipes/tickets.yaml',
    method: 'lora',
    baseModel: 'mlx/demo-base',
    baseCommit: 'c0ffee',
    seed: 42,
    engine: 'host',
    owner: null,
    startedAtMs: 1,
  });
}

function addVersion(step) {
  const created = { createdAtMs: step, sizeBytes: 1, settings: '{}', engine: 'host' };
  const base = { baseModel: 'mlx/demo-base', baseCommit: 'c0ffee' };
  insertVersion(ledger, { model: run, version: step, digest: `sha256:${step}`, runId: run, ...base, ...created });
  setAlias(ledger, { model: run, alias: 'production', version: step, updatedAtMs: step });
}

function attempt(acknowledgement, work) {
  try {
    work();
  } catch (error) {
    // The code of SQLite itself where mlx gives the error another name.
    tell(`refused ${error.cause?.code ?? error.code}`);
    return;
  }
  tell(acknowledgement);
}

/** Whole, before the next write begins; a reader that is slow is waited for. */
function tell(line) {
  for (;;) {
    try {
      writeSync(1, `${line}\n`);
      return;
    } catch (error) {
      if (error.code !== 'EAGAIN') throw error;
    }
  }
}
