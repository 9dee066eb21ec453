// Everything about the code that a machine can judge without running it: types, lint, format, dead exports; ruff and
// pyright for recipes/trainer. One line a step, what a failing step said at the end, exit status 1 when one failed.
//
//   npm run check
import { spawn } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { stripVTControlCharacters } from 'node:util';

import { developmentTools, root, trainerPython } from './python.js';

const node = process.execPath;
const bin = (name, file) => [node, `node_modules/${name}/${file}`];

await main();

async function main() {
  const steps = [
    { name: 'types', command: [...bin('typescript', 'bin/tsc'), '--noEmit'] },
    { name: 'lint', command: [...bin('eslint', 'bin/eslint.js'), '.', '--max-warnings', '0'] },
    { name: 'format', command: [...bin('prettier', 'bin/prettier.cjs'), '--check', '--log-level', 'warn', '.'] },
    { name: 'dead code', command: bin('knip', 'bin/knip.js') },
    ...(await pythonSteps()),
  ];
  const results = await inParallel(steps, Math.min(2, availableParallelism()));
  const failed = results.filter((result) => result.status === 'failed');
  for (const { name, command, output } of failed) {
    print(`\n--- ${name}: ${command.slice(1).join(' ')}\n${output.trim()}`);
  }
  const count = (status) => results.filter((result) => result.status === status).length;
  print(`\n${count('ok')} checks passed, ${count('failed')} failed, ${count('skipped')} skipped`);
  process.exitCode = failed.length > 0 ? 1 : 0;
}

async function pythonSteps() {
  const tools = await developmentTools(print);
  if (tools.reason) return ['python lint', 'python types'].map((name) => ({ name, skip: tools.reason }));
  const python = await trainerPython();
  const folders = ['recipes/trainer', 'compose/images'];
  return [
    { name: 'python lint', command: [tools.ruff, 'check', '--quiet', ...folders] },
    { name: 'python format', command: [tools.ruff, 'format', '--check', '--quiet', ...folders] },
    {
      name: 'python types',
      skip: python ? undefined : "the trainer's packages are not installed yet (npm test installs them)",
      command: [...bin('pyright', 'index.js'), '--pythonpath', python],
      // Where pytest is: pyright asks the interpreter for its path.
      environment: { PYTHONPATH: tools.packages },
    },
  ];
}

async function inParallel(steps, lanes) {
  const results = [];
  const queue = [...steps];
  const lane = async () => {
    for (let step = queue.shift(); step; step = queue.shift()) results.push(await runStep(step));
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  return results;
}

async function runStep(step) {
  if (step.skip) {
    print(`-  ${step.name.padEnd(14)} skipped: ${step.skip}`);
    return { ...step, status: 'skipped', output: '' };
  }
  const beganMs = Date.now();
  const { exitStatus, output } = await run(step);
  const seconds = `${((Date.now() - beganMs) / 1000).toFixed(1)} s`;
  print(`${exitStatus === 0 ? '✓' : '✗'}  ${step.name.padEnd(14)} ${exitStatus === 0 ? 'ok' : 'FAILED'} (${seconds})`);
  return { ...step, status: exitStatus === 0 ? 'ok' : 'failed', output };
}

function run({ command: [program, ...argv], environment }) {
  return new Promise((resolve) => {
    const env = { ...process.env, DO_NOT_TRACK: '1', ...environment };
    const child = spawn(program, argv, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'], env });
    let output = '';
    child.stdout.on('data', (text) => (output += text));
    child.stderr.on('data', (text) => (output += text));
    child.on('error', (error) => resolve({ exitStatus: 1, output: String(error) }));
    child.on('close', (exitStatus) =>
      resolve({ exitStatus, output: process.stdout.isTTY ? output : stripVTControlCharacters(output) }),
    );
  });
}

function print(line) {
  process.stdout.write(`${line}\n`);
}
