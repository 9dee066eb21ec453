// The gateway's key: 32 random bytes in .mlx/secrets/gateway-key (0600), made once.
import { randomBytes } from 'node:crypto';
import { linkSync, mkdirSync, readFileSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { errorCode, MlxError } from '../errors.js';

const keyForm = /^mlx_[A-Za-z0-9_-]{43}$/;

/** Safe when two commands start at once: one key is made, both read it. @throws MlxError KEY_INVALID */
export function gatewayKey(secretsFolder: string): string {
  const file = join(secretsFolder, 'gateway-key');
  const found = readKey(file);
  if (found !== undefined) return found;
  mkdirSync(secretsFolder, { recursive: true, mode: 0o700 });
  linkNewFile(file, `mlx_${randomBytes(32).toString('base64url')}\n`);
  return readKey(file) ?? gatewayKey(secretsFolder);
}

/** Written whole under another name, then linked: nobody ever reads half a key, and the first one stays. */
function linkNewFile(file: string, content: string): void {
  const draft = `${file}.${process.pid}`;
  writeFileSync(draft, content, { mode: 0o600 });
  try {
    linkSync(draft, file);
  } catch (error) {
    if (errorCode(error) !== 'EEXIST') throw error;
  } finally {
    unlinkSync(draft);
  }
}

function readKey(file: string): string | undefined {
  try {
    const key = readFileSync(file, 'utf8').trim();
    if (keyForm.test(key)) return key;
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
  // An empty secret must never become a key that everybody knows.
  throw new MlxError('KEY_INVALID', `${file} holds no key of the gateway.`, {
    hint: `Delete it to have a new one made: rm ${file} && mlx gateway key`,
  });
}
