// Makes the disk fail under a process that writes to a ledger, and holds what was acknowledged against the file. Needs strace.
//
//   npm run build && node scripts/break-ledger.js [cuts]     40 power cuts unless told otherwise; about a minute
//
// fsync error   every fsync from the 20th on returns EIO: the writes are refused, what was acknowledged before stays
// full disk     every write from the 200th on returns ENOSPC: the same
// killed        SIGKILL exactly at the k-th fsync, k = 1, 2, ...: also while the ledger is made
// power cut     the system calls of a writer are recorded; then the disk is rebuilt as a power cut at a random call leaves it: with
//               what was synced, and of the rest nothing or a random part (a disk writes in any order)
// control       the same with synchronous=NORMAL, which must lose something: else the cuts would show nothing
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { checkLedger, describeCheck, isWhole } from './ledger-check.js';
import { cutPower, recordedCalls } from './power-cut.js';

const cuts = Number(process.argv[2] ?? 40);
const killedAt = 24;
const writer = fileURLToPath(new URL('ledger-writer.js', import.meta.url));

if (spawnSync('strace', ['-V'], { stdio: 'ignore' }).status !== 0) {
  console.log('skipped: strace is not installed');
} else {
  const folder = mkdtempSync(join(tmpdir(), 'mlx-break-'));
  try {
    failures(folder);
    for (const synchronous of ['FULL', 'NORMAL']) powerCuts(folder, synchronous);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function failures(folder) {
  const errors = [
    ['fsync error', 'fsync,fdatasync:error=EIO:when=20+'],
    ['full disk', 'pwrite64:error=ENOSPC:when=200+'],
  ];
  for (const [name, injection] of errors) {
    const { file, lines } = write(folder, name, ['-e', `inject=${injection}`]);
    const refused = lines.filter((line) => line.startsWith('refused')).length;
    const found = checkLedger(file, lines);
    // A failure that nobody met would show nothing.
    tell(
      name,
      `${refused} writes refused, ${describeCheck(found)}`,
      isWhole(found) && refused > 0 && found.acknowledged > 0,
    );
  }
  let acknowledged = 0;
  let whole = true;
  for (let at = 1; at <= killedAt; at += 1) {
    const { file, lines } = write(folder, `killed-${at}`, ['-e', `inject=fsync,fdatasync:signal=SIGKILL:when=${at}`]);
    whole &&= isWhole(checkLedger(file, lines));
    acknowledged += lines.length;
  }
  tell(
    'killed',
    `at each of the first ${killedAt} fsyncs: ${acknowledged} acknowledged, ${whole ? 'none lost' : 'LOST'}`,
    whole,
  );
}

function powerCuts(folder, synchronous) {
  const trace = join(folder, `trace-${synchronous}`);
  const place = join(folder, synchronous);
  mkdirSync(place);
  const recorded = ['-y', '-xx', '-s', '1000000', '-e', 'trace=pwrite64,write,ftruncate,fsync,fdatasync,unlink'];
  const { file } = write(place, 'ledger', ['-o', trace, ...recorded], 120, synchronous);
  const calls = recordedCalls(trace);
  let lost = 0;
  let broken = 0;
  for (let cut = 0; cut < cuts; cut += 1) {
    const cutFolder = join(folder, `cut-${synchronous}-${cut}`);
    mkdirSync(cutFolder);
    const lines = cutPower(calls, { file, into: join(cutFolder, 'ledger.db'), keepSome: cut % 2 === 1 });
    const found = checkLedger(join(cutFolder, 'ledger.db'), lines);
    lost += found.lost;
    if (found.torn > 0 || found.integrity !== 'ok') broken += 1;
  }
  const figures = `${cuts} cuts: ${lost} acknowledged rows lost, ${broken} broken files`;
  if (synchronous === 'FULL') tell('power cut', figures, lost === 0 && broken === 0);
  else tell('control', `synchronous=NORMAL, ${figures}`, lost > 0);
}

function write(folder, name, options, count = 60, synchronous = 'FULL') {
  const file = join(folder, `${name.replace(' ', '-')}.db`);
  const output = options.includes('-o') ? [] : ['-o', '/dev/null'];
  const argv = ['-f', '-qq', ...output, ...options, process.execPath, writer, file, 'run', '1', String(count)];
  const { stdout } = spawnSync('strace', argv, {
    encoding: 'utf8',
    env: { ...process.env, LEDGER_SYNCHRONOUS: synchronous },
  });
  if (!existsSync(file)) throw new Error(`${name}: no ledger was made`);
  // A line that is cut off by the end of its writer was not told to anybody.
  return { file, lines: stdout.split('\n').slice(0, -1) };
}

function tell(name, figures, isGood) {
  console.log(`${isGood ? 'ok  ' : 'BAD '} ${name.padEnd(12)} ${figures}`);
  if (!isGood) process.exitCode = 1;
}
