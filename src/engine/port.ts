// Whether a port of this machine is free, and who holds it if not.
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';

import { errorCode, MlxError } from '../errors.js';
import { askProgram } from './exec.js';

const longestCommand = 200;

/** @throws MlxError PORT_TAKEN that names the holder; `key` is the setting that moves us elsewhere */
export async function requireFreePort(port: number, what: string, key: string): Promise<void> {
  if (await isPortFree(port)) return;
  const holder = (await portHolder(port)) ?? 'a process of another user';
  throw new MlxError('PORT_TAKEN', `${what} needs port ${port}, which is held by ${holder}.`, {
    hint: `Stop it, or choose another port: ${key} in mlx.yaml`,
  });
}

/** Tried out on 127.0.0.1: the only certain way. */
export function isPortFree(port: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', (error) => {
      if (errorCode(error) === 'EADDRINUSE' || errorCode(error) === 'EACCES') resolve(false);
      else reject(error);
    });
    probe.listen({ port, host: '127.0.0.1', exclusive: true }, () => probe.close(() => resolve(true)));
  });
}

/** One that nobody holds at this moment. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen({ port: 0, host: '127.0.0.1' }, () => {
      const { port } = probe.address() as AddressInfo;
      probe.close(() => resolve(port));
    });
  });
}

/** `python3 (process 1234)`; undefined when nobody listens, or it is not ours to see. */
export async function portHolder(port: number): Promise<string | undefined> {
  if (process.platform !== 'linux') return portHolderFromLsof(port);
  const sockets = listeningSockets(port);
  if (sockets.size === 0) return undefined;
  const pid = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .find((candidate) => openFiles(candidate).some((file) => sockets.has(file)));
  return pid === undefined ? undefined : `${programName(pid)} (process ${pid})`;
}

/** Columns of /proc/net/tcp: number, local address:port in hex, remote, state (0A: listening), ... the tenth is the inode. */
function listeningSockets(port: number): Set<string> {
  const wanted = port.toString(16).toUpperCase().padStart(4, '0');
  const rows = ['/proc/net/tcp', '/proc/net/tcp6'].flatMap((file) => readIfThere(file).split('\n').slice(1));
  const inodes = rows
    .map((row) => row.trim().split(/\s+/))
    .filter((row) => row[1]?.endsWith(`:${wanted}`) && row[3] === '0A')
    .map((row) => `socket:[${row[9] ?? ''}]`);
  return new Set(inodes);
}

function openFiles(pid: string): string[] {
  try {
    return readdirSync(`/proc/${pid}/fd`).map((name) => {
      try {
        return readlinkSync(`/proc/${pid}/fd/${name}`);
      } catch {
        return '';
      }
    });
  } catch {
    // It ended, or belongs to somebody else.
    return [];
  }
}

function programName(pid: string): string {
  const shown = commandLine(readIfThere(`/proc/${pid}/cmdline`).split('\0').filter(Boolean));
  return shown === '' ? readIfThere(`/proc/${pid}/comm`).trim() : shown;
}

/** Enough of it to know which program it is, in whole words, and nothing that was said to be secret. Pure. */
export function commandLine(words: readonly string[]): string {
  const secret = /(key|token|secret|passw\w*)$/i;
  const told = words.map((word, index) => {
    const [, name = '', value] = /^([^=\s]+)=(.*)$/s.exec(word) ?? [];
    if (value !== undefined && secret.test(name)) return `${name}=***`;
    const before = words[index - 1] ?? '';
    return before.startsWith('-') && secret.test(before) && !word.startsWith('-') ? '***' : word;
  });
  const line = told.join(' ').replaceAll(/\s+/g, ' ').trim();
  if (line.length <= longestCommand) return line;
  const end = line.lastIndexOf(' ', longestCommand);
  // One word alone that is longer: a path, of which the end says most.
  return end > 0 ? `${line.slice(0, end)} …` : `… ${line.slice(-longestCommand)}`;
}

function readIfThere(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

async function portHolderFromLsof(port: number): Promise<string | undefined> {
  const args = ['-nP', `-iTCP:${port}`, '-sTCP:LISTEN', '-Fpc'];
  const answer = await askProgram({ file: 'lsof', args, environment: process.env });
  const fields = answer?.stdout.split('\n') ?? [];
  const pid = fields.find((field) => field.startsWith('p'))?.slice(1);
  const name = fields.find((field) => field.startsWith('c'))?.slice(1);
  return pid === undefined ? undefined : `${name ?? 'a program'} (process ${pid})`;
}
