// The nine-digit numbers of the United States. They have no check digit, so structure, grouping and words decide.
// SSN: https://www.ssa.gov/employer/randomization.html (areas 000, 666 and 900 to 999, group 00 and serial 0000 are never issued).
// ITIN: https://www.irs.gov/irm/part3/irm_03-021-263r (9xx; fourth and fifth digit 50 to 65, 70 to 88, 90 to 92, 94 to 99).
// EIN: https://www.irs.gov/businesses/small-businesses-self-employed/how-eins-are-assigned-and-valid-ein-prefixes
import type { DigitRun } from '../digit-runs.js';
import { labelBefore } from '../labels.js';
import type { Detector } from './detector.js';

const ssnWords = /\bssns?\b|social[\s_-]?security|\bss ?#|\bss ?no\b/giu;
const itinWords = /\bitins?\b|individual tax(?:payer)?|taxpayer[\s_-]?id/giu;
const einWords = /\bf?eins?\b|employer[\s_-]?id|federal tax|\btax[\s_-]?id|\btins?\b/giu;

const ssnStructure = /^(?!000|666|9)\d{3}(?!00)\d{2}(?!0000)\d{4}$/;
const itinStructure = /^9\d{2}(?:5\d|6[0-5]|7\d|8[0-8]|9[0-24-9])\d{4}$/;
const einStructure = /^(?:0[1-6]|1[0-6]|2[0-7]|3\d|4[0-8]|5\d|6[0-8]|7[1-7]|8[0-8]|9[0-58-9])\d{7}$/;

export const findSsns: Detector = ({ text, runs }) =>
  runs.filter((run) => ssnStructure.test(run.digits) && isWritten(run, '3-2-4', text, ssnWords));

export const findItins: Detector = ({ text, runs }) =>
  runs.filter((run) => itinStructure.test(run.digits) && isWritten(run, '3-2-4', text, itinWords));

export const findEins: Detector = ({ text, runs }) =>
  runs.filter((run) => einStructure.test(run.digits) && isWritten(run, '2-7', text, einWords));

/** With dashes in the usual places, or in any usual form behind a word that says so. */
function isWritten(run: DigitRun, usualShape: string, text: string, words: RegExp): boolean {
  if (run.shape !== usualShape && run.shape !== '9') return false;
  const label = labelBefore(text, run.start, words);
  if (label === 'named') return true;
  if (run.shape !== usualShape || run.dashed) return false;
  // Hardly anything else is written 3-2-4; two digits and seven are numbers of parts as well.
  if (usualShape === '3-2-4') return run.separator === '-' || (run.separator === ' ' && run.whole && label === 'none');
  return run.separator === '-' && label === 'none';
}
