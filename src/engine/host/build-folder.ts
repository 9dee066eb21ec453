// Folders that are built aside and then renamed, so that there is a whole one or none.
import { existsSync } from 'node:fs';
import { mkdir, readdir, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

/** A path of our own beside `folder`, after what interrupted builds left is gone. The lock of `folder` must be held. */
export async function freshBuildFolder(folder: string): Promise<string> {
  const parent = dirname(folder);
  const unfinished = `${basename(folder)}.building-`;
  const left = existsSync(parent) ? (await readdir(parent)).filter((name) => name.startsWith(unfinished)) : [];
  for (const name of left) await rm(join(parent, name), { recursive: true, force: true });
  await mkdir(parent, { recursive: true, mode: 0o700 });
  return join(parent, `${unfinished}${process.pid}`);
}
