// How long mlx takes to start, against an empty Node of the same version.
//
//   npm run build && node bench/startup.js [rounds]     30 rounds unless told otherwise; about half a minute
//
// `runs ls` reads a ledger with 1,000 runs of 20 metrics each; `status` looks at a project in which nothing runs (host engine).
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import Database from 'better-sqlite3';

import { compareStarts, renderComparison } from './measure.js';
import { mlx, runMlx } from './mlx.js';

const rounds = Number(process.argv[2] ?? 30);
const folder = mkdtempSync(join(tmpdir(), 'mlx-bench-'));
try {
  const environment = { MLX_HOME: join(folder, 'home'), MLX_ENGINE: 'host', NODE_OPTIONS: '' };
  const project = join(folder, 'project');
  makeProject(project, environment);
  const run = (name, argv, goal) => ({ name, argv: [process.execPath, ...argv], goal, environment, folder: project });
  const rows = compareStarts(
    [
      run('node -e 0', ['-e', '0']),
      run('mlx --version', [mlx, '--version'], 1.3),
      run('mlx --help', [mlx, '--help'], 1.3),
      run('mlx runs ls (1,000 runs)', [mlx, 'runs', 'ls'], 2),
      run('mlx status', [mlx, 'status'], 2),
    ],
    rounds,
  );
  console.log(renderComparison(`startup, Node ${process.versions.node}`, rows));
} finally {
  rmSync(folder, { recursive: true, force: true });
}

/** A real project; its ledger is made by mlx itself, the rows are then added as fast as SQLite takes them. */
function makeProject(project, environment) {
  const own = { ...process.env, ...environment };
  runMlx(['init', project], own, folder);
  runMlx(['runs', 'ls'], own, project);
  const database = new Database(join(project, '.mlx', 'ledger.db'));
  const insertRun = database.prepare(
    `INSERT INTO runs (id, recipe, recipe_file, method, base_model, base_commit, seed, engine, state, started_at_ms, ended_at_ms)
     VALUES (?, 'tickets', 'recipes/tickets.yaml', 'lora', 'mlx/demo-base', 'abc', 42, 'host', 'finished', ?, ?)`,
  );
  const insertMetric = database.prepare('INSERT INTO latest_metrics (run_id, key, step, value) VALUES (?, ?, 1, ?)');
  const keys = ['held_out/tuned/exact_match', 'held_out/base/exact_match', 'train/mean_loss', 'train/duration_ms'];
  for (let index = keys.length; index < 20; index += 1) keys.push(`custom/metric_${index}`);
  database.transaction(() => {
    for (let index = 0; index < 1000; index += 1) {
      const id = `tickets-${String(index).padStart(6, '0')}`;
      insertRun.run(id, 1_700_000_000_000 + index * 60_000, 1_700_000_030_000 + index * 60_000);
      for (const [position, key] of keys.entries()) insertMetric.run(id, key, (index * 7 + position) / 1000);
    }
  })();
  database.close();
}
