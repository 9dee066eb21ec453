// Japan's individual number (マイナンバー, 12 digits). Check digit: ordinance 85 of 2014 of the Ministry of Internal Affairs
// and Communications, article 5: 11 - (sum of Pn x Qn modulo 11), 0 where the remainder is 0 or 1.
import type { DigitRun } from '../digit-runs.js';
import { labelBefore } from '../labels.js';
import type { Detector } from './detector.js';

const words = /my[\s_-]?number|individual[\s_-]?number|mynumber|マイナンバー|個人番号|マイナ\b/giu;
/** Q from the left: Qn = n + 1 for n = 1 to 6, n - 5 for n = 7 to 11, counted from the right. */
const weights = [6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2];
/** Year, month, day, hour, minute. */
const moment = /^(?:19|20)\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?:[01]\d|2[0-3])[0-5]\d$/;

export const findMyNumbers: Detector = ({ text, runs }) =>
  runs.filter((run) => ['12', '4-4-4'].includes(run.shape) && hasCheckDigit(run.digits) && isMyNumber(run, text));

function hasCheckDigit(digits: string): boolean {
  const sum = weights.reduce((total, weight, index) => total + weight * Number(digits[index]), 0);
  const remainder = sum % 11;
  return Number(digits[11]) === (remainder <= 1 ? 0 : 11 - remainder) && !/^(\d)\1*$/.test(digits);
}

/** One number of eleven has a right check digit by chance: the words before it, and what else it may be, decide too. */
function isMyNumber(run: DigitRun, text: string): boolean {
  const label = labelBefore(text, run.start, words);
  if (label === 'named') return true;
  if (label === 'other' || run.dashed) return false;
  return run.shape === '4-4-4' ? run.whole : !moment.test(run.digits);
}
