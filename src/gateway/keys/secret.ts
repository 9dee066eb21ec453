// The text of a client's key: `mlx_` ID `_` SECRET. The id finds the key, the secret proves it; only its hash is kept.
import { hash, randomBytes, randomInt } from 'node:crypto';

export type FreshKey = { id: string; text: string; sha256: string };

/** Without letters that are taken for one another. */
const idLetters = 'abcdefghijkmnpqrstuvwxyz23456789';
const idLength = 10;
const secretBytes = 32;
const form = /^mlx_([a-z0-9]{10})_[A-Za-z0-9_-]{43}$/;

/** @param id of the key that gets a new secret; without one a new key is made */
export function makeKey(id = makeId()): FreshKey {
  const text = `mlx_${id}_${randomBytes(secretBytes).toString('base64url')}`;
  return { id, text, sha256: hashKey(text).toString('hex') };
}

export function keyIdOf(text: string): string | undefined {
  return form.exec(text)?.[1];
}

/**
 * SHA-256 of the whole text. A slow hash (scrypt, argon2) makes guessing a person's password dear; 256 random bits
 * cannot be guessed at any speed, and this runs on every request. Never of a part: keys that share it would be one.
 */
export function hashKey(text: string): Buffer {
  return hash('sha256', text, 'buffer');
}

function makeId(): string {
  return Array.from({ length: idLength }, () => idLetters[randomInt(idLetters.length)]).join('');
}
