// Text as the detectors read it: full-width forms, odd dashes, spaces and invisible characters made plain, with the way
// back to where each character stood. Unicode NFKC: https://www.unicode.org/reports/tr15/

export type PlainText = {
  text: string;
  /** The range of the original text that a range of `text` came from. */
  original: (start: number, end: number) => { start: number; end: number };
};

const asciiOnly = /^[\0-\x7f]*$/;
// Hyphens, dashes and the minus sign, which NFKC leaves as they are.
const dash = /[\u2010-\u2015\u2043\u2212\uFE58]/u;
// Soft hyphen, zero-width characters, direction marks, byte order mark: they are not seen, and split a number all the same.
const invisible = /[\u00AD\u180E\u200B-\u200F\u202A-\u202E\u2060-\u2064\u2066-\u2069\uFEFF]/u;
/** Stands for a hyphen in Japanese numbers, and for a long vowel everywhere else. */
const longVowelMark = '\u30FC';

export function plainText(original: string): PlainText {
  if (asciiOnly.test(original)) return { text: original, original: (start, end) => ({ start, end }) };
  const pieces: string[] = [];
  /** For each UTF-16 unit of the plain text: where its character began and ended. */
  const starts: number[] = [];
  const ends: number[] = [];
  let position = 0;
  let last = '';
  for (const character of original) {
    const end = position + character.length;
    let plain = plainCharacter(character);
    if (plain === longVowelMark && isDigit(last) && isDigit(plainCharacter(original.charAt(end)))) plain = '-';
    for (let unit = 0; unit < plain.length; unit += 1) {
      starts.push(position);
      ends.push(end);
    }
    if (plain !== '') last = plain;
    pieces.push(plain);
    position = end;
  }
  return {
    text: pieces.join(''),
    original: (start, end) => ({ start: starts[start] ?? original.length, end: ends[end - 1] ?? original.length }),
  };
}

const known = new Map<string, string>();

function plainCharacter(character: string): string {
  if (character < '\x80') return character;
  let plain = known.get(character);
  if (plain === undefined) {
    const normal = character.normalize('NFKC');
    plain = invisible.test(character) ? '' : dash.test(normal) ? '-' : normal;
    known.set(character, plain);
  }
  return plain;
}

function isDigit(text: string): boolean {
  return text >= '0' && text <= '9' && text.length === 1;
}
