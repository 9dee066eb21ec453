// Phone numbers: written with +, or as people of the configured countries write them at home. Which numbers exist is
// Google's libphonenumber metadata (libphonenumber-js/max).
import {
  getCountryCallingCode,
  isSupportedCountry,
  parsePhoneNumberFromString,
  type CountryCode,
  type PhoneNumber,
} from 'libphonenumber-js/max';

import { labelBefore } from '../labels.js';
import type { Detector } from './detector.js';

const words =
  /\b(?:tel(?:ephone)?|phones?|mobile|cell|call|fax|contact|whatsapp|sms|text)\b|電話|携帯|連絡先|ファックス|ファクス|お問い?合わ?せ/giu;
// Digits in groups; brackets around the area code, a space or dash, or both, between groups.
const written =
  /(?<![\p{Script=Latin}\p{N}_+]|\d[.,:/])(?:\+|\+?\(|)\d[\d() .-]{5,22}\d(?![\p{Script=Latin}\p{N}_]|[.,:/]\d)/gu;
const digitCount = { fewest: 8, most: 15 };

export const findPhones: Detector = ({ text, phoneRegions }) => {
  const found: { start: number; end: number }[] = [];
  const search = new RegExp(written);
  for (let match = search.exec(text); match !== null; match = search.exec(text)) {
    const phone = longestPhone(match[0], match.index, text, phoneRegions);
    if (phone !== undefined) found.push(phone);
    // What begins like a number may be another one with a phone number behind it.
    search.lastIndex = phone?.end ?? match.index + (/ |$/.exec(match[0])?.index ?? 0) + 1;
  }
  return found;
};

/** Whether the metadata knows a country of this ISO 3166 code. */
export function isPhoneRegion(code: string): boolean {
  return isSupportedCountry(code);
}

/** What follows a number may be another one: groups at its end are given up one after the other. */
function longestPhone(whole: string, start: number, text: string, regions: readonly string[]) {
  for (let candidate = whole; candidate !== ''; candidate = withoutLastGroup(candidate)) {
    const digits = candidate.replaceAll(/\D/g, '');
    if (digits.length < digitCount.fewest) return undefined;
    if (digits.length > digitCount.most || !isBalanced(candidate)) continue;
    if (isPhone(candidate, digits, text, start, regions)) return { start, end: start + candidate.length };
  }
  return undefined;
}

/** Only a space separates one number from the next. */
function withoutLastGroup(candidate: string): string {
  return candidate.includes(' ') ? candidate.replace(/ +\S*$/, '') : '';
}

function isBalanced(candidate: string): boolean {
  return candidate.split('(').length === candidate.split(')').length && !/[ .-]{4}/.test(candidate);
}

function isPhone(candidate: string, digits: string, text: string, start: number, regions: readonly string[]): boolean {
  if (candidate.startsWith('+') || candidate.startsWith('(+')) return parse(candidate) !== undefined;
  const label = labelBefore(text, start, words);
  if (label === 'other') return false;
  const shape = candidate
    .split(/\D+/)
    .filter((group) => group !== '')
    .map((group) => group.length)
    .join('-');
  const isNamed = label === 'named';
  const isPartOfWord = /\w-$/.test(text.slice(Math.max(0, start - 2), start));
  if (isPartOfWord && !isNamed) return false;
  return regions.some(
    (region) =>
      isHomeForm(shape, digits, region as CountryCode, isNamed) && isOf(candidate, digits, region as CountryCode),
  );
}

/**
 * Ten digits in a row may be anything: they need a word before them, or a form that only phone numbers have. Cheap, and so
 * asked before the metadata.
 */
function isHomeForm(shape: string, digits: string, region: CountryCode, isNamed: boolean): boolean {
  const callingCode = getCountryCallingCode(region);
  if (callingCode === '1') return isNamed || /^(?:1-)?3-3-4$/.test(shape);
  // At home a number of Japan begins with 0; 070, 080 and 090 are mobiles, 050 is for calls over the internet.
  if (callingCode === '81' && !digits.startsWith('0')) return false;
  return isNamed || shape.includes('-') || (callingCode === '81' && /^0[5789]0\d{8}$/.test(digits));
}

/** A number without its country's code is all national number, but for one digit before it (0, or 1 in America). */
function isOf(candidate: string, digits: string, region: CountryCode): boolean {
  const national = parse(candidate, region)?.nationalNumber;
  return national !== undefined && digits.endsWith(national) && digits.length - national.length <= 1;
}

function parse(candidate: string, region?: CountryCode): PhoneNumber | undefined {
  const options = region === undefined ? { extract: false } : { defaultCountry: region, extract: false };
  const phone = parsePhoneNumberFromString(candidate, options);
  return phone?.isValid() === true ? phone : undefined;
}
