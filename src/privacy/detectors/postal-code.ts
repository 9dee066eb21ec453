// Japanese postal codes (seven digits, NNN-NNNN): behind the postal mark, behind a word, or before a prefecture.
// Form: https://www.post.japanpost.jp/zipcode/ ; prefectures: JIS X 0401.
import type { Detector } from './detector.js';

// The mark is U+3012; NFKC keeps it. A line break may stand between code and prefecture.
const marked = /〒\s*(\d{3}-?\d{4})(?!\d)/g;
const named =
  /(?:郵便番号|postal[\s_-]?code|post[\s_-]?code|zip(?:[\s_-]?code)?)[^\d\n]{0,8}(\d{3}-\d{4}|\d{7})(?![\d-])/giu;
const beforePrefecture = /(?<![\d-])(\d{3}-\d{4})(?=\s*(?:東京都|北海道|京都府|大阪府|[\p{Script=Han}]{2,3}県))/gu;

export const findPostalCodes: Detector = ({ text }) =>
  [marked, named, beforePrefecture].flatMap((pattern) =>
    [...text.matchAll(pattern)].map((match) => {
      const [whole, code = ''] = match;
      const start = match.index + whole.length - code.length;
      return { start, end: start + code.length };
    }),
  );
