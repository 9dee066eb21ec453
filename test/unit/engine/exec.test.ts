import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { expect, test } from 'vitest';

import { askProgram, runProgram } from '../../../src/engine/exec.js';
import { ownerOf } from '../../../src/engine/owner.js';
import { scratchFolder } from './scratch.js';

const environment = { PATH: process.env['PATH'] };
const shell = (script: string) => ({ file: '/bin/sh', args: ['-c', script], environment });

test('a program gives its lines as they come and its exit status at the end', async () => {
  const out: string[] = [];
  const err: string[] = [];

  const exit = await runProgram(shell('echo one; echo two >&2; printf three; exit 7'), {
    onStdout: (line) => out.push(line),
    onStderr: (line) => err.push(line),
  });

  expect({ exit, out, err }).toEqual({ exit: { status: 7, signal: null }, out: ['one', 'three'], err: ['two'] });
});

test('a program sees the given environment and nothing of our own', async () => {
  const out: string[] = [];
  await runProgram(
    { file: '/usr/bin/env', args: [], environment: { ONLY: 'this' } },
    { onStdout: (line) => out.push(line) },
  );

  expect(out).toEqual(['ONLY=this']);
});

test('a file that is not there is an error that names it', async () => {
  await expect(runProgram({ file: '/no/such/program', args: [], environment })).rejects.toMatchObject({
    code: 'PROGRAM_MISSING',
    message: '/no/such/program could not be started: it was not found.',
  });
  expect(await askProgram({ file: '/no/such/program', args: [], environment })).toBeUndefined();
});

test('aborting sends SIGTERM, and the program may still say its last words', async () => {
  const stop = new AbortController();
  const out: string[] = [];

  const exit = await runProgram(shell('trap "echo saved; exit 130" TERM; echo ready; while :; do sleep 0.05; done'), {
    signal: stop.signal,
    onStdout: (line) => {
      out.push(line);
      stop.abort();
    },
  });

  expect({ exit, out }).toEqual({ exit: { status: 130, signal: null }, out: ['ready', 'saved'] });
});

test('a program that ignores SIGTERM is killed when its grace time is over, with its children', async () => {
  const stop = new AbortController();
  let child = 0;

  const exit = await runProgram(shell('trap "" TERM; sleep 600 & echo $!; wait; sleep 600'), {
    signal: stop.signal,
    graceMs: 50,
    ownGroup: true,
    onStdout: (line) => {
      child = Number(line);
      stop.abort();
    },
  });

  expect(exit).toEqual({ status: null, signal: 'SIGKILL' });
  expect(ownerOf(child)).toBeUndefined();
});

test('what a program leaves running in its group neither holds its output open nor lives on', async () => {
  let child = 0;
  const exit = await runProgram(shell('sleep 600 & echo $!'), {
    ownGroup: true,
    onStdout: (line) => (child = Number(line)),
  });

  expect(exit).toEqual({ status: 0, signal: null });
  expect(ownerOf(child)).toBeUndefined();
});

test('nothing is started once the signal is aborted', async () => {
  const file = join(scratchFolder(), 'made');
  const exit = await runProgram(shell(`echo x > ${file}`), { signal: AbortSignal.abort() });

  expect(exit.status).toBe(130);
  expect(existsSync(file) ? readFileSync(file, 'utf8') : '').toBe('');
});

test('when a listener fails the program is ended and the failure goes on', async () => {
  let child = 0;
  const running = runProgram(shell('echo $$; exec sleep 600'), {
    ownGroup: true,
    onStdout: (line) => {
      child = Number(line);
      throw new Error('ledger is full');
    },
  });

  await expect(running).rejects.toThrow('ledger is full');
  expect(ownerOf(child)).toBeUndefined();
});
