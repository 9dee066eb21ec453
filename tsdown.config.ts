// The bundle. Every package that can be is bundled, and what is always needed together is one file: Node spends more time on
// finding and opening files than on running them (docs/decisions/0003).
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

import { defineConfig } from 'tsdown';

/** SQLite's addon, and dockerode, which has optional native parts. ink wants its development tools only when DEV is set. */
const outside = ['better-sqlite3/build/Release/better_sqlite3.node', 'dockerode', 'react-devtools-core'];

/** What nearly every command loads; what opens the ledger; what reads mlx.yaml and recipes; what says how things stand. */
const chunks = [
  {
    name: 'core',
    test: inside(
      'main|program|context|errors|config/paths|engine/owner|output/(output|terminal|ticker|wrap|json|numbers|table)',
      'commander|picocolors',
    ),
  },
  {
    name: 'ledger',
    test: inside('ledger/[\\w-]+|training/reconcile|training/metric-direction', 'better-sqlite3|fastest-levenshtein'),
  },
  { name: 'settings', test: inside('config/[\\w-]+|privacy/spans', 'zod|yaml') },
  {
    name: 'state',
    test: inside(
      'commands/status|stack/[\\w-]+|engine/(open|address|service-data)|engine/host/(engine|[a-z]*-?records)|gateway/control-api',
    ),
  },
];

/** Files of src/ (without their ending) and packages, as one pattern. */
function inside(files: string, packages = 'none'): RegExp {
  return new RegExp(`/src/(${files})\\.ts$|/node_modules/(${packages})/`);
}

export default defineConfig({
  entry: {
    main: 'src/main.ts',
    // What scripts/ need to find Python and its environments the way mlx does.
    paths: 'src/config/paths.ts',
    python: 'src/engine/host/python.ts',
    venvs: 'src/engine/host/venvs.ts',
    // What bench/ledger.js measures and scripts/kill-ledger.js breaks.
    'ledger-open': 'src/ledger/open.ts',
    'ledger-runs': 'src/ledger/runs.ts',
    'ledger-metrics': 'src/ledger/metrics.ts',
    'ledger-versions': 'src/ledger/versions.ts',
    'ledger-audit': 'src/ledger/audit.ts',
    // What bench/redaction.js measures.
    detect: 'src/privacy/detect.ts',
  },
  outDir: 'dist',
  format: 'esm',
  platform: 'node',
  target: 'node20',
  minify: true,
  sourcemap: false,
  dts: false,
  // A process that runs still loads chunks of the build that it started from; scripts/ensure.js removes old ones.
  clean: false,
  outExtensions: () => ({ js: '.js' }),
  // React's development build is slower to load, and its warnings are for us, not for users.
  define: { 'process.env.NODE_ENV': '"production"' },
  alias: {
    yaml: fileURLToPath(new URL('node_modules/yaml/browser/dist/index.js', import.meta.url)),
    bindings: fileURLToPath(new URL('scripts/sqlite-addon.cjs', import.meta.url)),
  },
  deps: { neverBundle: outside, alwaysBundle: (id: string) => !outside.includes(id), onlyBundle: false },
  outputOptions: { codeSplitting: { groups: chunks } },
  hooks: { 'build:done': ({ options }) => writeHelp(options.outDir) },
});

/** What bin/mlx.js prints for a plain --help without loading the program. */
function writeHelp(folder: string): void {
  const main = pathToFileURL(join(folder, 'main.js')).href;
  const environment = { ...process.env, NO_COLOR: '1', FORCE_COLOR: undefined };
  const start = `import(${JSON.stringify(main)}).then((mlx) => mlx.main(['--help']))`;
  const help = spawnSync(process.execPath, ['-e', start], { encoding: 'utf8', env: environment });
  if (help.status !== 0) throw new Error(`The bundle does not start:\n${help.stderr}`);
  writeFileSync(join(folder, 'help.txt'), help.stdout);
}
