// A whole number that a person typed behind a flag.
import { MlxError } from '../errors.js';

/** @throws MlxError USAGE that names the flag and what was typed */
export function readWholeNumber(text: string, flag: string, { from, hint }: { from: 0 | 1; hint: string }): number {
  const number = Number(text);
  if (text.trim() !== '' && Number.isSafeInteger(number) && number >= from) return number;
  throw new MlxError('USAGE', `${flag} takes a whole number from ${from} on, not '${text}'.`, { hint });
}
