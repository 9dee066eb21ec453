// International bank account numbers: country, its length and the check digits modulo 97 (ISO 13616-1; ISO 7064 MOD 97-10).
// The lengths are those of SWIFT's registry, as ibantools keeps them.
import { countrySpecs } from 'ibantools';

import type { Detector } from './detector.js';

const begin = /(?<![\p{Script=Latin}\p{N}])[A-Za-z]{2}\d{2}/gu;

export const findIbans: Detector = ({ text }) => {
  const found: { start: number; end: number }[] = [];
  for (const match of text.matchAll(begin)) {
    const country = match[0].slice(0, 2).toUpperCase();
    const length = countrySpecs[country]?.chars ?? 0;
    const end = length === 0 ? undefined : endOfIban(text, match.index, length);
    if (end !== undefined) found.push({ start: match.index, end });
  }
  return found;
};

/** Reads as many letters and digits as the country has; between them may be a space, a dash or a line break. */
function endOfIban(text: string, start: number, length: number): number | undefined {
  let compact = '';
  let position = start;
  for (; compact.length < length; position += 1) {
    const character = text[position] ?? '';
    if (/[A-Za-z\d]/.test(character)) compact += character.toUpperCase();
    else if (!/[ \n.-]/.test(character) || /[^A-Za-z\d]/.test(text[position - 1] ?? '')) return undefined;
  }
  if (/[A-Za-z\d]/.test(text[position] ?? '')) return undefined;
  return remainder97(compact.slice(4) + compact.slice(0, 4)) === 1 ? position : undefined;
}

/** Letters count as two digits, A = 10 to Z = 35. */
function remainder97(characters: string): number {
  let remainder = 0;
  for (const character of characters) {
    const value = parseInt(character, 36);
    remainder = (remainder * (value > 9 ? 100 : 10) + value) % 97;
  }
  return remainder;
}
