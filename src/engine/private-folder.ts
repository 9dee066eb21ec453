// A folder that is ours alone, for sockets.
import { lstatSync, mkdirSync } from 'node:fs';

import { MlxError } from '../errors.js';

/** The folder may lie under a /tmp that all users share: nobody else may have made it before us. */
export function requirePrivateFolder(folder: string): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const found = lstatSync(folder);
  const ours = found.isDirectory() && found.uid === (process.getuid?.() ?? found.uid);
  if (ours && (found.mode & 0o022) === 0) return;
  throw new MlxError('UNSAFE_FOLDER', `${folder} belongs to somebody else, or others may write into it.`, {
    hint: `Remove it, or set XDG_RUNTIME_DIR to a folder of your own.`,
  });
}
