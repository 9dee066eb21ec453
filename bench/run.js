// Runs every benchmark that this machine can run and prints their tables; exit status 1 when a goal was missed.
//
//   npm run bench                 all; the wrapper trains, which takes some minutes
//   npm run bench -- startup      only those that are named
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const benchmarks = ['startup', 'redaction', 'gateway', 'gateway-logging', 'ledger', 'switch', 'wrapper', 'replay'];
const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !benchmarks.includes(name));
if (unknown.length > 0) {
  console.error(`No benchmark ${unknown.join(', ')}; there are: ${benchmarks.join(', ')}`);
  process.exit(2);
}

let missed = 0;
for (const name of benchmarks.filter((candidate) => wanted.length === 0 || wanted.includes(candidate))) {
  const script = fileURLToPath(new URL(`${name}.js`, import.meta.url));
  const { status, stdout } = spawnSync(process.execPath, [script], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  console.log(`${stdout.trimEnd()}\n`);
  if (status !== 0 || stdout.includes('MISSED')) missed += 1;
}
if (missed > 0) process.exitCode = 1;
