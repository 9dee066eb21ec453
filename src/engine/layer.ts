// The one layer of a model version: an uncompressed tar in which nothing depends on when, where or by whom it was made.
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { posix } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { Transform, type Writable } from 'node:stream';

import { pack, type Pack } from 'tar-stream';

export type LayerFile = { path: string; source: string };
export type LayerDigest = { digest: string; sizeBytes: number };

/** Where the files of a version lie in its image. */
export const versionRoot = 'mlx/version';

const epoch = new Date(0);

/** Writes the tar to `target` and says what it was. The same files give the same digest, on every machine. */
export async function writeLayer(files: readonly LayerFile[], target: Writable): Promise<LayerDigest> {
  const tar = pack();
  const hash = createHash('sha256');
  let sizeBytes = 0;
  const measure = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      hash.update(chunk);
      sizeBytes += chunk.length;
      done(null, chunk);
    },
  });
  const written = pipeline(tar, measure, target);
  // A file that cannot be read fails the whole stream, and a disk that is full stops the reading.
  const added = addAll(tar, files).catch((error: unknown) => tar.destroy(error instanceof Error ? error : undefined));
  await written;
  await added;
  return { digest: `sha256:${hash.digest('hex')}`, sizeBytes };
}

async function addAll(tar: Pack, files: readonly LayerFile[]): Promise<void> {
  const sorted = files
    .map((file) => ({ path: posix.join(versionRoot, checkPath(file.path)), source: file.source }))
    .sort((a, b) => (a.path < b.path ? -1 : 1));
  for (const folder of foldersOf(sorted.map((file) => file.path))) {
    tar.entry({ name: `${folder}/`, type: 'directory', mode: 0o755, uid: 0, gid: 0, mtime: epoch });
  }
  for (const { path, source } of sorted) {
    const { size } = await stat(source);
    const entry = tar.entry({ name: path, type: 'file', mode: 0o644, uid: 0, gid: 0, mtime: epoch, size });
    await pipeline(createReadStream(source), entry);
  }
  tar.finalize();
}

function checkPath(path: string): string {
  const normal = posix.normalize(path);
  if (normal !== path || posix.isAbsolute(path) || normal.startsWith('..') || normal === '.') {
    throw new Error(`'${path}' is no path inside a model version.`);
  }
  return normal;
}

/** Every folder above the files, those above first. */
function foldersOf(paths: readonly string[]): string[] {
  const folders = new Set<string>();
  for (const path of paths) {
    const parts = path.split('/').slice(0, -1);
    parts.forEach((_, index) => folders.add(parts.slice(0, index + 1).join('/')));
  }
  return [...folders].sort();
}
