// Kills processes with SIGKILL while they write to one ledger, and counts what was acknowledged and is gone: it must be nothing.
//
//   npm run build && node scripts/kill-ledger.js [kills] [writers]     100 kills of 4 writers unless told otherwise
//   node scripts/kill-ledger.js 10000                                  the long one, a quarter of an hour
//
// Four writers at a time; each is killed at a random moment after its first commit, and started again. Every 500 kills, and at
// the end, all acknowledgements are held against the file, with SQLite's integrity check and the audit chain.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

import { openLedger } from '../dist/ledger-open.js';
import { checkLedger, describeCheck, isWhole } from './ledger-check.js';

const kills = Number(process.argv[2] ?? 100);
const writers = Number(process.argv[3] ?? 4);
const longestLifeMs = 60;
const checkEvery = 500;
const writer = fileURLToPath(new URL('ledger-writer.js', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'mlx-kill-'));
const file = join(folder, 'ledger.db');

try {
  openLedger(file).close();
  const began = Date.now();
  const found = await killAll();
  const seconds = ((Date.now() - began) / 1000).toFixed(0);
  console.log(`${kills} kills of ${writers} writers in ${seconds} s: ${describeCheck(found)}`);
  if (!isWhole(found)) process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}

async function killAll() {
  const acknowledged = [];
  let found = { acknowledged: 0 };
  for (let done = 0; done < kills; done += checkEvery) {
    const round = Math.min(checkEvery, kills - done);
    let begun = 0;
    const lane = async (slot) => {
      while (begun < round) {
        begun += 1;
        acknowledged.push(...(await writeAndDie(`writer-${slot}`, (done + begun) * 100_000)));
      }
    };
    await Promise.all(Array.from({ length: writers }, (_, slot) => lane(slot)));
    found = checkLedger(file, acknowledged);
    if (!isWhole(found)) return found;
    if (kills > checkEvery) console.error(`${done + round} kills: ${describeCheck(found)}`);
  }
  return found;
}

/** @returns what it said before it died */
function writeAndDie(run, firstStep) {
  return new Promise((resolve, reject) => {
    const lines = [];
    const child = spawn(process.execPath, [writer, file, run, String(firstStep)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const reader = createInterface({ input: child.stdout });
    reader.on('line', (line) => {
      lines.push(line);
      if (lines.length === 1) setTimeout(() => child.kill('SIGKILL'), Math.random() * longestLifeMs);
    });
    child.once('error', reject);
    child.once('close', (_status, signal) => {
      if (signal === 'SIGKILL') resolve(lines);
      else reject(new Error(`${run} ended by itself, after ${lines.length} lines`));
    });
  });
}
