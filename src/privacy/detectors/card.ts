// Payment card numbers: the issuer's range and length (credit-card-type, kept by Braintree) and the Luhn check digit
// (ISO/IEC 7812-1, annex B).
import creditCardType from 'credit-card-type';

import type { DigitRun } from '../digit-runs.js';
import { labelBefore } from '../labels.js';
import type { Detector } from './detector.js';

const words =
  /\b(?:cards?|credit|debit|visa|master ?card|amex|american express|discover|jcb|diners|union ?pay|maestro|pan|cc)\b|カード|クレカ/giu;

export const findCards: Detector = ({ text, runs }) =>
  runs.filter((run) => run.digits.length >= 12 && isCard(run, text));

function isCard(run: DigitRun, text: string): boolean {
  if (!passesLuhn(run.digits)) return false;
  const issuers = issuersOf(run.digits);
  if (issuers.length === 0) return false;
  // Groups shorter than three digits are other numbers beside each other.
  const groups = run.shape.split('-').map(Number);
  if (groups.slice(0, -1).some((length) => length < 3)) return false;
  if (labelBefore(text, run.start, words) === 'named') return true;
  if (run.dashed) return false;
  return groups.length > 1 ? isUsualGrouping(run.shape) : isUsualAlone(run.digits, issuers);
}

function issuersOf(digits: string): string[] {
  return creditCardType(digits)
    .filter(({ lengths }) => lengths.includes(digits.length))
    .map(({ type }) => type);
}

function passesLuhn(digits: string): boolean {
  let sum = 0;
  for (let index = 0; index < digits.length; index += 1) {
    const digit = Number(digits[digits.length - 1 - index]);
    const doubled = index % 2 === 1 ? digit * 2 : digit;
    sum += doubled > 9 ? doubled - 9 : doubled;
  }
  return sum % 10 === 0;
}

function isUsualGrouping(shape: string): boolean {
  return /^(?:4-4-4-4(?:-[23])?|4-6-[45]|4-4-4-[1-7]|6-1[03]|8-[48]|4-12)$/.test(shape);
}

/** Without a word and without groups, only lengths that are cards far more often than anything else. */
function isUsualAlone(digits: string, issuers: readonly string[]): boolean {
  // JCB's old ranges 1800 and 2131 are what microseconds since 1970 look like.
  if (/^(?:1800|2131)/.test(digits)) return false;
  return digits.length === 16 || digits.length === 15 || (digits.length === 19 && issuers.includes('unionpay'));
}
