// Makes a fresh clone ready to run: packages installed when they are missing or stale, the bundle built when it is older
// than the source. Quiet when there is nothing to do. Plain Node without packages: it runs before there are any.
//
//   node scripts/ensure.js            what `npm run demo`, `npm test`, `npm run check` and `npm run bench` do first
//   node scripts/ensure.js --build    builds in any case (`npm run build`)
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { stripVTControlCharacters } from 'node:util';

import { withLock } from './lock.js';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const state = join(root, '.mlx');
const installedStamp = join(root, 'node_modules', '.mlx-installed.json');
const builtStamp = join(root, 'dist', '.built');
const dayMs = 86_400_000;
const bundleSources = ['src', 'package.json', 'package-lock.json', 'tsdown.config.ts', 'tsconfig.json'];

await ensure(process.argv.includes('--build'));

async function ensure(buildAnyway) {
  checkNode();
  if (!packagesAreStale() && !bundleIsStale() && !buildAnyway) return;
  mkdirSync(state, { recursive: true, mode: 0o700 });
  await withLock(join(state, 'ensure.lock'), say, () => {
    if (packagesAreStale()) installPackages();
    if (buildAnyway || bundleIsStale()) buildBundle();
  });
}

/** The lowest version stands in package.json and nowhere else. */
function checkNode() {
  const needed = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).engines.node.replace(/[^\d.]/g, '');
  const [neededMajor, neededMinor] = needed.split('.').map(Number);
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major > neededMajor || (major === neededMajor && minor >= neededMinor)) return;
  fail(
    3,
    `mlx needs Node.js ${needed} or newer; this is ${process.versions.node} (${process.execPath}).`,
    'Install a newer one (for example: nvm install 22) and run the same command again.',
  );
}

/** Stale: another lock file than the installed one, or a native module that was built for another Node. */
function packagesAreStale() {
  const stamp = readJson(installedStamp);
  const wanted = installedState();
  if (stamp?.lock === wanted.lock && stamp.node === wanted.node) return false;
  if (stamp !== undefined && stamp.node !== wanted.node) return true;
  // Somebody ran npm by hand: what is installed is compared package by package with what is locked.
  if (!installedMatchesLock()) return true;
  writeFileSync(installedStamp, JSON.stringify(wanted));
  return false;
}

function installedState() {
  const lock = createHash('sha256').update(readFileSync(join(root, 'package-lock.json')));
  return { lock: lock.digest('hex'), node: `${process.platform}-${process.arch}-${process.versions.modules}` };
}

/** npm leaves out optional packages of other platforms; everything else has to be there in the locked version. */
function installedMatchesLock() {
  const installed = readJson(join(root, 'node_modules', '.package-lock.json'))?.packages;
  if (installed === undefined) return false;
  const locked = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages;
  return Object.entries(locked).every(([path, wanted]) => {
    if (path === '') return true;
    const found = installed[path];
    return found === undefined ? wanted.optional === true : found.version === wanted.version;
  });
}

function installPackages() {
  const why = existsSync(join(root, 'node_modules')) ? 'the installed packages are not the locked ones' : 'first run';
  const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
  step(`Installing packages (npm ci; ${why})`, npm, ['ci', '--no-audit', '--no-fund', '--prefer-offline'], (result) =>
    fail(
      1,
      `npm ci failed${result.error ? ` to start: ${result.error.message}` : ` with status ${result.status}`}.`,
      'See why, step by step: npm ci --foreground-scripts --loglevel info\n' +
        'Behind a proxy or a mirror, set it first: npm config set proxy URL, npm config set registry URL.',
    ),
  );
  writeFileSync(installedStamp, JSON.stringify(installedState()));
}

/** Newer than the moment the last build began; folders count too, so that a deleted file is seen. */
function bundleIsStale() {
  if (!existsSync(builtStamp) || !existsSync(join(root, 'dist', 'main.js'))) return true;
  const builtMs = statSync(builtStamp).mtimeMs;
  return bundleSources.some((source) => newestMs(join(root, source)) > builtMs);
}

function newestMs(path) {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (stats === undefined) return 0;
  if (!stats.isDirectory()) return stats.mtimeMs;
  return Math.max(stats.mtimeMs, ...readdirSync(path).map((name) => newestMs(join(path, name))));
}

/** Built beside and then moved in place, file by file: a command that starts meanwhile finds the old bundle or the new one. */
function buildBundle() {
  const next = join(state, 'dist-next');
  const tsdown = join(root, 'node_modules', 'tsdown', 'dist', 'run.mjs');
  rmSync(next, { recursive: true, force: true });
  mkdirSync(next, { recursive: true });
  writeFileSync(join(next, '.built'), '');
  const began = statSync(join(next, '.built')).mtime;
  step('Building the bundle', process.execPath, [tsdown, '--out-dir', next, '--logLevel', 'warn'], () =>
    fail(1, 'The bundle could not be built; the lines above say where.', 'See every problem at once: npm run check'),
  );
  // The stamp keeps the time at which the build began: what changed while it ran is newer.
  utimesSync(join(next, '.built'), began, began);
  moveIntoPlace(next, join(root, 'dist'));
}

/** Chunks first, whose names are new, then the entries that name them. Old chunks stay a day for processes that still run. */
function moveIntoPlace(next, dist) {
  const entries = readdirSync(next);
  const isEntry = (name) => !/-[\w-]{8}\.js$/.test(name);
  mkdirSync(dist, { recursive: true });
  for (const name of [...entries.filter((name) => !isEntry(name)), ...entries.filter(isEntry)])
    renameSync(join(next, name), join(dist, name));
  for (const name of readdirSync(dist).filter((candidate) => !entries.includes(candidate)))
    if (Date.now() - statSync(join(dist, name)).mtimeMs > dayMs) rmSync(join(dist, name), { recursive: true });
  rmSync(next, { recursive: true, force: true });
}

/** Runs one program with its output held back; it is shown only when the program fails. */
function step(title, program, argv, onFailure) {
  const beganMs = Date.now();
  say(`${title} ...`);
  const result = spawnSync(program, argv, {
    cwd: root,
    env: { ...process.env, ...nativeBuild() },
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    maxBuffer: 2 ** 28,
  });
  if (result.status !== 0) {
    const output = `${result.stdout ?? ''}${result.stderr ?? ''}`.trimEnd().split('\n').slice(-40).join('\n');
    say(process.stderr.isTTY ? output : stripVTControlCharacters(output));
    onFailure(result);
  }
  say(`${title}: done in ${((Date.now() - beganMs) / 1000).toFixed(1)} s`);
}

/** Where a network has no prebuilt better-sqlite3, it is compiled; with Node's own headers, when they lie beside it, not with fetched ones. */
function nativeBuild() {
  const prefix = dirname(dirname(process.execPath));
  return existsSync(join(prefix, 'include', 'node', 'node.h')) ? { npm_config_nodedir: prefix } : {};
}

function say(line) {
  process.stderr.write(`${line}\n`);
}

function fail(status, message, next) {
  say(`\n${message}\n${next}`);
  process.exit(status);
}

function readJson(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return undefined;
  }
}
