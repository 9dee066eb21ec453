// Japan's corporate number (法人番号, 13 digits) and the invoice registration number made of it (T and the 13 digits).
// Check digit: https://www.houjin-bangou.nta.go.jp/documents/checkdigit.pdf: 9 - (sum of Pn x Qn modulo 9), Qn 1 and 2 in turn from the right.
import type { DigitRun } from '../digit-runs.js';
import { labelBefore } from '../labels.js';
import type { Detector } from './detector.js';

const words = /corporate[\s_-]?number|corporation[\s_-]?number|houjin|法人番号|登録番号|インボイス|適格請求書/giu;
const registration = /(?<!\w)T-?(\d{13})(?!\d)/g;

export const findCorporateNumbers: Detector = ({ text, runs }) => [
  ...runs.filter((run) => isWritten(run, text) && hasCheckDigit(run.digits)),
  ...[...text.matchAll(registration)]
    .filter(([, digits = '']) => hasCheckDigit(digits))
    .map((match) => ({ start: match.index, end: match.index + match[0].length })),
];

/** It is public and as long as a barcode or a time in milliseconds: alone and without a word it is not taken for one. */
function isWritten({ shape, start, separator, dashed }: DigitRun, text: string): boolean {
  if (shape === '1-4-4-4' && separator === '-' && !dashed) return true;
  return (shape === '13' || shape === '1-4-4-4') && labelBefore(text, start, words) === 'named';
}

function hasCheckDigit(digits: string): boolean {
  const sum = [...digits.slice(1)]
    .reverse()
    .reduce((total, digit, index) => total + Number(digit) * ((index % 2) + 1), 0);
  return Number(digits[0]) === 9 - (sum % 9);
}
