// The ledger against MLflow's own store on SQLite, and against the sqlite3 shell, on the same disk, in turn.
//
//   npm run build && node bench/ledger.js [rounds]     7 rounds unless told otherwise; some minutes; needs Python and sqlite3
//
// Writing, every commit on the disk when it returns (synchronous=FULL on both sides): one metric a commit, and 100 metrics a commit.
// Goals: 5 and 10 times as fast as MLflow. Reading: the best 100 of 100,000 runs by a metric; goals: p99 at most 5 ms, and at most
// twice the time of the same SQL in the sqlite3 shell, which reads it from a file and writes its rows to /dev/null.
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

import { recordMetrics } from '../dist/ledger-metrics.js';
import { openLedger } from '../dist/ledger-open.js';
import { insertRun, listRuns } from '../dist/ledger-runs.js';
import { homePaths } from '../dist/paths.js';
import { ensureVenv } from '../dist/venvs.js';
import { quantile } from './measure.js';

const rounds = Number(process.argv[2] ?? 7);
const perRound = { single: 100, batch: 10 };
const goals = { single: 5, batch: 10, p99Ms: 5, shell: 2 };
const listed = { runs: 100_000, limit: 100, queries: 300 };
const metric = 'held_out/tuned/exact_match';
const folder = mkdtempSync(join(tmpdir(), 'mlx-bench-'));
try {
  await compareWrites();
  compareListing();
} finally {
  rmSync(folder, { recursive: true, force: true });
}

async function compareWrites() {
  const ledger = openLedger(join(folder, 'ledger.db'));
  addRun(ledger, 'bench');
  const mlflow = await startMlflow();
  const seconds = { single: { mlx: [], mlflow: [] }, batch: { mlx: [], mlflow: [] } };
  let step = 0;
  for (let round = 0; round <= rounds; round += 1) {
    for (const kind of ['single', 'batch']) {
      const ours = timed(() => {
        for (let commit = 0; commit < perRound[kind]; commit += 1)
          recordMetrics(ledger, 'bench', metricsOf(kind, (step += 1)));
      });
      const theirs = await mlflow.ask(`${kind} ${perRound[kind]}`);
      // The first round warms both up.
      if (round > 0) seconds[kind].mlx.push(ours);
      if (round > 0) seconds[kind].mlflow.push(theirs);
    }
  }
  mlflow.end();
  ledger.close();
  console.log(`ledger, commits on the disk   median of ${rounds}, MLflow ${mlflow.durability}`);
  for (const kind of ['single', 'batch']) {
    const [ours, theirs] = [seconds[kind].mlx, seconds[kind].mlflow].map(
      (all) => (quantile(all, 0.5) / perRound[kind]) * 1000,
    );
    const name = kind === 'single' ? 'one metric a commit' : '100 metrics a commit';
    const met = theirs / ours >= goals[kind] ? 'met' : 'MISSED';
    const figures = `mlx ${ours.toFixed(2)} ms, MLflow ${theirs.toFixed(2)} ms, ${(theirs / ours).toFixed(1)}x`;
    console.log(`${name.padEnd(30)}${figures}  ${met} (>= ${goals[kind]}x)`);
  }
}

function metricsOf(kind, step) {
  const count = kind === 'single' ? 1 : 100;
  return Array.from({ length: count }, (_, place) => ({ key: `m${place}`, step, value: 0.5, recordedAtMs: step }));
}

/** One process for all rounds, so that its start is not counted. */
async function startMlflow() {
  const venv = await ensureVenv(
    'mlflow',
    homePaths(process.env),
    process.env,
    () => undefined,
    new AbortController().signal,
  );
  const script = fileURLToPath(new URL('ledger/mlflow_store.py', import.meta.url));
  const child = spawn(venv.python, [script, join(folder, 'mlflow.db')], { stdio: ['pipe', 'pipe', 'ignore'] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async () => {
    const { value, done } = await lines.next();
    if (done) throw new Error('MLflow ended before it answered');
    return value;
  };
  const durability = await next();
  return {
    durability,
    ask: async (line) => {
      child.stdin.write(`${line}\n`);
      return Number(await next());
    },
    end: () => child.stdin.end(),
  };
}

function compareListing() {
  const file = join(folder, 'many.db');
  const ledger = openLedger(file);
  fill(ledger);
  const ask = () => listRuns(ledger, { sort: metric, descending: true, limit: listed.limit });
  if (ask().length !== listed.limit) throw new Error('the listing is not complete');
  const milliseconds = Array.from({ length: listed.queries }, () => timed(ask) * 1000);
  const sql = shellQuery(ledger, ask);
  ledger.close();
  const [p50, p99] = [quantile(milliseconds, 0.5), quantile(milliseconds, 0.99)];
  console.log(`\nbest ${listed.limit} of ${listed.runs} runs`);
  console.log(
    `mlx                           p50 ${p50.toFixed(2)} ms, p99 ${p99.toFixed(2)} ms  ${p99 <= goals.p99Ms ? 'met' : 'MISSED'} (<= ${goals.p99Ms} ms)`,
  );
  const shellMs = shellMilliseconds(file, sql);
  if (shellMs === undefined) console.log('sqlite3 shell                 skipped: not installed');
  else
    console.log(
      `sqlite3 shell, the same SQL   ${shellMs.toFixed(2)} ms, ratio ${(p50 / shellMs).toFixed(2)}  ${p50 / shellMs <= goals.shell ? 'met' : 'MISSED'} (<= ${goals.shell}x)`,
    );
}

function fill(ledger) {
  const insertMetric = ledger.database.prepare(
    'INSERT INTO latest_metrics (run_id, key, step, value) VALUES (?, ?, 1, ?)',
  );
  ledger.database.transaction(() => {
    for (let index = 0; index < listed.runs; index += 1) {
      const id = `tickets-${String(index).padStart(6, '0')}`;
      addRun(ledger, id);
      // 7919 is prime: every value is another one, in no order.
      for (const key of [metric, 'train/final_loss', 'duration_ms'])
        insertMetric.run(id, key, ((index * 7919) % 100_003) / 100_003);
    }
  })();
}

function addRun(ledger, id) {
  const base = {
    baseModel: 'mlx/demo-base',
    baseCommit: 'c0ffee',
    seed: 42,
    engine: 'host',
    owner: null,
    startedAtMs: 1,
  };
  insertRun(ledger, { id, recipe: 'tickets', recipeFile: 'recipes/tickets.yaml', method: 'lora', ...base });
}

/** What listRuns really asks, with its parameters put in. */
function shellQuery(ledger, ask) {
  let asked = '';
  const prepare = ledger.database.prepare.bind(ledger.database);
  ledger.database.prepare = (sql) => prepare((asked = sql));
  ask();
  const values = { state: 'NULL', recipe: 'NULL', key: `'${metric}'`, limit: String(listed.limit) };
  return asked.replaceAll(/@(state|recipe|key|limit)\b/g, (_, name) => values[name]).replaceAll('\n', ' ');
}

/** One query of many in one shell, without its start. */
function shellMilliseconds(file, sql) {
  const script = (queries) => {
    const path = join(folder, `${queries}.sql`);
    writeFileSync(path, `.output /dev/null\n${`${sql};\n`.repeat(queries)}`);
    return () => spawnSync('sqlite3', ['-readonly', file, `.read ${path}`], { stdio: 'ignore' });
  };
  if (script(0)().error) return undefined;
  const few = Array.from({ length: 5 }, () => timed(script(1)));
  const many = Array.from({ length: 5 }, () => timed(script(101)));
  return ((quantile(many, 0.5) - quantile(few, 0.5)) / 100) * 1000;
}

function timed(work) {
  const begun = process.hrtime.bigint();
  work();
  return Number(process.hrtime.bigint() - begun) / 1e9;
}
