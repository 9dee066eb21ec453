// Personal identifiers in a text: every detector asked, overlaps resolved, places given in the text as it was written.
import { findBankAccounts } from './detectors/bank-account.js';
import { findCards } from './detectors/card.js';
import { findCorporateNumbers } from './detectors/corporate-number.js';
import type { Detector } from './detectors/detector.js';
import { findEmails } from './detectors/email.js';
import { findIbans } from './detectors/iban.js';
import { findMyNumbers } from './detectors/my-number.js';
import { findPhones } from './detectors/phone.js';
import { findPostalCodes } from './detectors/postal-code.js';
import { findEins, findItins, findSsns } from './detectors/us-tax-numbers.js';
import { digitRuns } from './digit-runs.js';
import { plainText } from './plain-text.js';
import { withoutOverlaps, type Kind, type Span } from './spans.js';

export type Detection = {
  kinds: readonly Kind[];
  /** ISO 3166 codes; the first that fits counts. */
  phoneRegions: readonly string[];
};

const detectors: Record<Exclude<Kind, 'name'>, Detector> = {
  card: findCards,
  iban: findIbans,
  my_number: findMyNumbers,
  corporate_number: findCorporateNumbers,
  ssn: findSsns,
  itin: findItins,
  ein: findEins,
  email: findEmails,
  phone: findPhones,
  bank_account: findBankAccounts,
  postal_code: findPostalCodes,
};

/**
 * @param label what the text is the value of, such as the key `ssn` in `{"ssn": "..."}`: read as words before it
 * @returns spans of `text`, in its order, without overlaps
 */
export function findIdentifiers(text: string, detection: Detection, label = ''): Span[] {
  // Every kind has a digit or an @ in it; a text without either, as most short ones are, is done.
  if (!/[@\uFF20\uFE6B\p{N}]/u.test(text)) return [];
  const prefix = label === '' ? '' : `${label}: `;
  const plain = plainText(prefix + text);
  const scan = { text: plain.text, runs: digitRuns(plain.text), phoneRegions: detection.phoneRegions };
  const spans = detection.kinds.flatMap((kind) => {
    if (kind === 'name') return [];
    return detectors[kind](scan).map(({ start, end }) => ({ ...plain.original(start, end), kind }));
  });
  return withoutOverlaps(spans)
    .filter(({ start }) => start >= prefix.length)
    .map(({ start, end, kind }) => ({ start: start - prefix.length, end: end - prefix.length, kind }));
}
