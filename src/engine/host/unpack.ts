// Unpacks a model version so that a server can read it, and checks each time that it is what its digest says.
import { createHash, randomUUID } from 'node:crypto';
import { createReadStream, createWriteStream, existsSync } from 'node:fs';
import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import { dirname, join, relative, sep } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { Writable } from 'node:stream';

import { extract, type Extract } from 'tar-stream';

import { errorCode } from '../../errors.js';
import { versionLayer } from './images.js';
import { versionRoot, writeLayer } from '../layer.js';
import { corruptImage, namedDiskError } from './layout.js';

/** @returns the folder with the version's files. @throws MlxError IMAGE_CORRUPT */
export async function unpackVersion(layout: string, digest: string): Promise<string> {
  const layer = await versionLayer(layout, digest);
  const folder = join(layout, 'unpacked', digest.replace('sha256:', ''));
  if (existsSync(folder) && (await folderDigest(folder)) === layer.digest) return folder;
  const building = `${folder}.${randomUUID()}`;
  try {
    await checkLayer(layer.file, layer.digest);
    await extractLayer(layer.file, building);
    await rm(folder, { recursive: true, force: true });
    await rename(building, folder);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') throw corruptImage(layer.digest, 'is missing');
    // Another process was faster, with the same files.
    if (errorCode(error) !== 'ENOTEMPTY' && errorCode(error) !== 'EEXIST') throw namedDiskError(error, layout);
  } finally {
    await rm(building, { recursive: true, force: true });
  }
  return folder;
}

/** A layer is made of nothing but its files: made again from the unpacked ones, it must have the same digest. */
async function folderDigest(folder: string): Promise<string> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name))
    .map((source) => ({ path: relative(folder, source).split(sep).join('/'), source }));
  return (await writeLayer(files, nowhere())).digest;
}

function nowhere(): Writable {
  return new Writable({ write: (_chunk, _encoding, done) => done() });
}

/** The whole layer is checked before anything of it is believed. */
async function checkLayer(file: string, digest: string): Promise<void> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(file)) hash.update(chunk as Buffer);
  if (`sha256:${hash.digest('hex')}` !== digest) throw corruptImage(digest, 'was changed');
}

async function extractLayer(file: string, folder: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const tar = extract();
  // Who listens comes first: an entry that is read before that is lost.
  await Promise.all([writeEntries(tar, folder), pipeline(createReadStream(file), tar)]);
}

async function writeEntries(tar: Extract, folder: string): Promise<void> {
  for await (const entry of tar) {
    const path = join(folder, relative(versionRoot, entry.header.name));
    if (entry.header.type !== 'file' || !path.startsWith(folder + sep)) {
      entry.resume();
      continue;
    }
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    await pipeline(entry, createWriteStream(path, { mode: 0o600, flush: true }));
  }
}
