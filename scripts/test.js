// Runs the layers of tests, the quick ones first, and ends with one line over all of them.
//
//   npm test                          unit and command; host and the trainer's own tests where Python is
//   npm test -- --docker              also the docker layer (or MLX_TEST_DOCKER=1)
//   npm test -- test/unit/ledger      only these files, in whatever layer they lie; other flags go to vitest
//
// Exit status 0 only when nothing failed and everything that was to run did run.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { stripVTControlCharacters } from 'node:util';

import { developmentTools, ensureVenv, pythonMissing, reasonOf, root } from './python.js';

const pythonTests = ['recipes/trainer/tests', 'compose/images/server/tests'];
const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs');
const folder = mkdtempSync(join(tmpdir(), 'mlx-test-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));

const { docker, files, vitestFlags } = parseArguments(process.argv.slice(2));
const counts = { passed: 0, failed: 0, skipped: 0 };
const failures = [];
if (files.length > 0) runVitest('the named files', [...vitestFlags, ...files]);
else await runLayers();
if (failures.length > 0) print(`\n=== failed\n${failures.join('\n')}`);
print(`\n${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
process.exitCode = counts.failed > 0 || counts.passed === 0 ? 1 : 0;

function parseArguments(argv) {
  const rest = argv.filter((word) => word !== '--docker');
  return {
    docker: rest.length < argv.length || process.env.MLX_TEST_DOCKER === '1',
    files: rest.filter((word) => !word.startsWith('-')),
    vitestFlags: rest.filter((word) => word.startsWith('-')),
  };
}

async function runLayers() {
  runLayer(['unit', 'command']);
  const withoutPython = await pythonMissing();
  if (withoutPython) skipLayer('host', withoutPython);
  else runLayer(['host']);
  if (withoutPython) skipTrainerTests(withoutPython);
  else await runTrainerTests();
  if (docker) runLayer(['docker']);
  else skipLayer('docker', 'not asked for (npm test -- --docker)');
  if (runs('nvidia-smi', ['-L'])) runLayer(['gpu']);
  else skipLayer('gpu', 'nvidia-smi finds no GPU');
}

/** Real training, servers and containers: one file at a time. */
function runLayer(names) {
  const heavy = names.includes('unit') ? [] : ['--no-file-parallelism'];
  runVitest(names.join(' and '), [...heavy, ...vitestFlags, ...projects(names)]);
}

/** The report of a crashed vitest is missing: that counts as a failure, never as nothing. */
function runVitest(title, argv) {
  print(`\n=== ${title}`);
  const report = join(folder, `${title.replaceAll(' ', '-')}.json`);
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`];
  const { status } = spawnSync(process.execPath, [vitest, 'run', ...reporters, ...argv], {
    cwd: root,
    stdio: 'inherit',
  });
  const result = readJson(report) ?? { numPassedTests: 0, numFailedTests: 0, numPendingTests: 0, numTodoTests: 0 };
  counts.passed += result.numPassedTests;
  counts.skipped += result.numPendingTests + result.numTodoTests;
  counts.failed += Math.max(result.numFailedTests, status === 0 ? 0 : 1);
  failures.push(...failuresOf(result.testResults ?? []));
  if (status !== 0 && result.numFailedTests === 0) failures.push(`${title}: vitest ended with status ${status}`);
}

/** One line a test with the first lines of what it said; a file that does not even load counts by its own message. */
function failuresOf(files) {
  return files.flatMap(({ name, message, assertionResults }) => {
    const failed = assertionResults.filter((test) => test.status === 'failed');
    const shown = failed.map((test) => ({ title: test.fullName, text: test.failureMessages.join('\n') }));
    if (shown.length === 0 && message) shown.push({ title: 'does not load', text: message });
    return shown.map(({ title, text }) => {
      const said = stripVTControlCharacters(text).split('\n');
      const lines = said.filter((line) => !line.includes('/node_modules/')).slice(0, 12);
      return [`✗ ${relative(root, name)}: ${title}`, ...lines.map((line) => `    ${line}`)].join('\n');
    });
  });
}

/** A skipped layer is still counted: vitest lists its tests without running them. */
function skipLayer(name, reason) {
  const report = join(folder, `${name}-list.json`);
  spawnSync(process.execPath, [vitest, 'list', `--json=${report}`, ...projects([name])], {
    cwd: root,
    stdio: 'ignore',
  });
  const skipped = readJson(report)?.length ?? 0;
  counts.skipped += skipped;
  print(`\n=== ${name}: ${skipped} tests skipped: ${reason}`);
}

function skipTrainerTests(reason) {
  print(`\n=== trainer (pytest): skipped: ${reason}`);
  counts.skipped += 1;
}

/** pytest comes from the development environment, behind the trainer's own packages: theirs are what is tested. */
async function runTrainerTests() {
  const tools = await developmentTools(print);
  const trainer = await ensureVenv('trainer', print).catch((error) => ({ reason: reasonOf(error) }));
  if (tools.reason ?? trainer.reason) return skipTrainerTests(tools.reason ?? trainer.reason);
  print('\n=== trainer (pytest)');
  const report = join(folder, 'pytest.xml');
  const start = 'import sys; sys.path.append(sys.argv.pop(1)); import pytest; sys.exit(pytest.console_main())';
  const argv = ['-c', start, tools.packages, '-q', '-p', 'no:cacheprovider', `--junitxml=${report}`, ...pythonTests];
  const { status } = spawnSync(trainer.python, argv, {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, HF_HUB_OFFLINE: '1' },
  });
  addPytestCounts(report, status);
}

function addPytestCounts(report, status) {
  const suite = /<testsuite [^>]*>/.exec(readText(report) ?? '')?.[0] ?? '';
  const count = (name) => Number(new RegExp(` ${name}="(\\d+)"`).exec(suite)?.[1] ?? 0);
  const failed = count('failures') + count('errors');
  counts.passed += count('tests') - failed - count('skipped');
  counts.skipped += count('skipped');
  counts.failed += Math.max(failed, status === 0 ? 0 : 1);
  if (status !== 0) failures.push(`trainer (pytest): ended with status ${status}; its own lines stand above`);
}

function projects(names) {
  return names.flatMap((name) => ['--project', name]);
}

function runs(program, argv) {
  return spawnSync(program, argv, { stdio: 'ignore' }).status === 0;
}

function readJson(path) {
  const text = readText(path);
  return text === undefined ? undefined : JSON.parse(text);
}

function readText(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

function print(line) {
  process.stdout.write(`${line}\n`);
}
