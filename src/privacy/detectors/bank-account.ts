// Japanese bank accounts: seven digits behind the kind of account, with bank (four digits) and branch (three) where they
// stand in one number. Form: Zengin format, https://www.zenginkyo.or.jp/abstract/efforts/system/protocol/
import type { Detector } from './detector.js';

const words =
  '(?:口座番号|口座|普通預金|当座預金|貯蓄預金|普通|当座|貯蓄|account[\\s_-]?(?:number|num|no)\\.?|acct\\.?(?: ?no\\.?)?|account)';
// Brackets, colons and a few words may stand between: 普通）1234567, 口座番号は 1234567, account number is 1234567.
const account = new RegExp(
  String.raw`${words}(?:は|が| is|\(普通\)|\(当座\)|[^\p{L}\p{N}\n]){0,6}(\d{7})(?![\d-]|[.,]\d)`,
  'giu',
);
const withBranch = /(?<![\d-])(\d{4}-\d{3}-\d{7})(?![\d-])/g;
const bankWords = /銀行|支店|口座|振込|振り込み|bank|branch|account/iu;
const reachCharacters = 48;

export const findBankAccounts: Detector = ({ text }) => [
  ...[...text.matchAll(account)].map((match) => ({
    start: match.index + match[0].length - (match[1]?.length ?? 0),
    end: match.index + match[0].length,
  })),
  ...[...text.matchAll(withBranch)]
    .filter((match) => bankWords.test(text.slice(Math.max(0, match.index - reachCharacters), match.index)))
    .map((match) => ({ start: match.index, end: match.index + match[0].length })),
];
