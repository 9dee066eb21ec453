// Which rows are held out when the recipe names a share: decided by each row's content and the seed alone. So the order
// of the rows does not matter, equal rows stay together, and a row keeps its side when others are added. Pure.
import { createHash } from 'node:crypto';

/** 16 bytes of SHA-256 as text: enough to tell rows apart, small enough to keep one for each. */
export function rowHash(serialised: string): string {
  return createHash('sha256').update(serialised).digest('base64').slice(0, 22);
}

/** Where a row stands between 0 and 1, evenly spread; below the share means held out. */
export function rowPosition(hash: string, seed: number): number {
  return createHash('sha256').update(`${seed}:${hash}`).digest().readUIntBE(0, 6) / 2 ** 48;
}
