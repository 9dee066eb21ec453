// What every detector is: a function from a text, made plain, to ranges of it.
import type { DigitRun } from '../digit-runs.js';

export type Scan = {
  /** Plain (plain-text.ts). */
  text: string;
  /** The numbers of the text, found once for all detectors. */
  runs: readonly DigitRun[];
  /** ISO 3166 codes of the countries whose phone numbers are written without their code. */
  phoneRegions: readonly string[];
};

export type Detector = (scan: Scan) => { start: number; end: number }[];
