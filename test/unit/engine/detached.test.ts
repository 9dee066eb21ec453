import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { expect, test } from 'vitest';

import { startDetached } from '../../../src/engine/detached.js';
import { endGroup } from '../../../src/engine/group.js';
import { fileLines } from '../../../src/engine/lines.js';
import { ownerIsAlive, ownerOf, ownerPid } from '../../../src/engine/owner.js';
import { scratchFolder } from './scratch.js';

async function start(script: string, folder: string, record: (owner: string) => void = () => undefined) {
  const logFile = join(folder, 'log');
  const program = { file: '/bin/sh', args: ['-c', script], environment: { PATH: process.env['PATH'] } };
  const owner = await startDetached({ ...program, mark: folder, logFile }, record);
  return { owner, logFile };
}

async function firstLine(file: string): Promise<string> {
  for await (const line of fileLines(file, { follow: true, lines: 1, signal: AbortSignal.timeout(10_000) }))
    return line;
  return '';
}

test('a detached program leads a group of its own and writes into its log', async () => {
  const { owner, logFile } = await start('echo $$; exec sleep 600', scratchFolder());

  expect(Number(await firstLine(logFile))).toBe(ownerPid(owner));
  expect(ownerIsAlive(owner)).toBe(true);
  expect(await endGroup(owner, 'x', 5_000)).toBe(true);
  expect(ownerIsAlive(owner)).toBe(false);
});

test('the program begins only after its owner is recorded', async () => {
  const folder = scratchFolder();
  const file = join(folder, 'begun');
  let begunBefore = true;
  const { owner, logFile } = await start(`echo x > ${file}; echo done; sleep 600`, folder, () => {
    begunBefore = existsSync(file);
  });
  await firstLine(logFile);

  expect({ begunBefore, begunAfter: existsSync(file) }).toEqual({ begunBefore: false, begunAfter: true });
  await endGroup(owner, folder, 5_000);
});

test('a program whose record could not be written never begins', async () => {
  const folder = scratchFolder();
  const file = join(folder, 'begun');
  let recorded = '';
  const failing = start(`echo x > ${file}`, folder, (owner) => {
    recorded = owner;
    throw new Error('disk full');
  });

  await expect(failing).rejects.toThrow('disk full');
  expect(ownerIsAlive(recorded)).toBe(false);
  expect(existsSync(file)).toBe(false);
});

test('a program that ignores SIGTERM is killed after the grace time, with all that it started', async () => {
  const folder = scratchFolder();
  const { owner, logFile } = await start('trap "" TERM; sleep 600 & echo $!; while :; do sleep 600; done', folder);
  const child = Number(await firstLine(logFile));

  await endGroup(owner, folder, 50);

  expect([ownerOf(ownerPid(owner)), ownerOf(child)]).toEqual([undefined, undefined]);
});

test.runIf(process.platform === 'linux')(
  'the children of a leader that was killed are found by their mark',
  async () => {
    const folder = scratchFolder();
    const { owner, logFile } = await start('sleep 600 & echo $!; exec sleep 600', folder);
    const child = Number(await firstLine(logFile));
    process.kill(ownerPid(owner), 'SIGKILL');
    while (ownerIsAlive(owner)) await new Promise(setImmediate);

    expect(await endGroup(owner, 'another mark', 50)).toBe(false);
    expect(ownerOf(child)).toBeDefined();
    expect(await endGroup(owner, folder, 50)).toBe(true);
    expect(ownerOf(child)).toBeUndefined();
    expect(await endGroup(owner, folder, 50)).toBe(false);
  },
);

test('a log that exists is continued', async () => {
  const folder = scratchFolder();
  writeFileSync(join(folder, 'log'), 'before\n');
  const { owner, logFile } = await start('echo after; exec sleep 600', folder);
  await endGroup(owner, folder, 5_000);

  expect(readFileSync(logFile, 'utf8')).toMatch(/^before\n/);
});
