// What a folder takes on the disk.
import { existsSync, lstatSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

export function folderBytes(folder: string): number {
  if (!existsSync(folder)) return 0;
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .reduce((bytes, entry) => bytes + lstatSync(join(entry.parentPath, entry.name)).size, 0);
}
