// What a power cut leaves of files: their writes are taken from a trace of system calls and made again, up to the cut, with what
// was synced; of the rest nothing, or a random part.
import { readFileSync, writeFileSync } from 'node:fs';

const call = /^\d+ +(?<name>\w+)\((?:(?<fd>\d+)<(?<path>[^>]*)>)?(?<rest>.*)\) += (?<result>-?\d+)/;

/** The calls that matter, in their order. @param {string} trace as `strace -f -y -xx` writes it */
export function recordedCalls(trace) {
  return readFileSync(trace, 'latin1')
    .split('\n')
    .flatMap((line) => {
      const { name, fd, path, rest, result } = call.exec(line)?.groups ?? {};
      if (name === undefined || Number(result) < 0) return [];
      if (name === 'unlink') return [{ name, path: unescape(/"([^"]*)"/.exec(rest)[1]).toString() }];
      return [{ name, fd: Number(fd), path: unescape(path ?? '').toString(), ...written(name, rest) }];
    });
}

function written(name, rest) {
  if (name === 'ftruncate') return { length: Number(rest.split(',')[1]) };
  const [, hex, tail] = /^, "([^"]*)"(.*)$/.exec(rest) ?? [];
  if (hex === undefined) return {};
  return { bytes: unescape(hex), offset: Number(tail.split(',')[2]) };
}

/** `\\x2f\\x74` -> bytes; text that is not escaped stays as it is. */
function unescape(text) {
  if (!text.startsWith('\\x')) return Buffer.from(text, 'latin1');
  return Buffer.from(text.replaceAll('\\x', ''), 'hex');
}

/**
 * Cuts at a random call, and writes the files `into` and its log as they are found afterwards.
 * @returns the lines that had been told on stdout by then
 */
export function cutPower(calls, { file, into, keepSome }) {
  const at = Math.floor(Math.random() * calls.length);
  const disk = new Map();
  const told = [];
  for (const made of calls.slice(0, at)) apply(made, disk, told);
  for (const suffix of ['', '-wal']) {
    const found = disk.get(`${file}${suffix}`);
    if (found) writeFileSync(`${into}${suffix}`, afterCut(found, keepSome));
  }
  return told;
}

function apply({ name, fd, path, bytes, offset, length }, disk, told) {
  if (name === 'write' && fd === 1) told.push(...bytes.toString().trimEnd().split('\n'));
  if (name === 'unlink') disk.delete(path);
  if (name === 'fsync' || name === 'fdatasync') {
    const found = disk.get(path);
    if (found) disk.set(path, { synced: afterCut(found, true, 1), waiting: [] });
  }
  if (name !== 'pwrite64' && name !== 'ftruncate') return;
  const found = disk.get(path) ?? { synced: Buffer.alloc(0), waiting: [] };
  found.waiting.push({ bytes, offset, length });
  disk.set(path, found);
}

/** @param share of the writes that were not synced, and are on the disk all the same */
function afterCut({ synced, waiting }, keepSome, share = 0.5) {
  if (!keepSome) return synced;
  let contents = synced;
  for (const { bytes, offset, length } of waiting) {
    if (share < 1 && Math.random() > share) continue;
    if (length !== undefined) {
      contents = Buffer.concat([contents.subarray(0, length), Buffer.alloc(Math.max(0, length - contents.length))]);
      continue;
    }
    const end = offset + bytes.length;
    if (contents.length < end) contents = Buffer.concat([contents, Buffer.alloc(end - contents.length)]);
    else contents = Buffer.from(contents);
    bytes.copy(contents, offset);
  }
  return contents;
}
