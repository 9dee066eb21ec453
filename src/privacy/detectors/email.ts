// Email addresses: the form that HTML accepts (https://html.spec.whatwg.org/multipage/input.html#valid-e-mail-address),
// with letters of all Latin alphabets, and without the characters that more often stand before an address than in one (= / `).
import type { Detector } from './detector.js';

// RFC 5321, 4.5.3.1: 64 octets before the @. RFC 1035: labels of 63, names of 253.
const localPart = /[\p{Script=Latin}\p{Nd}.!#$%&'*+?^_{|}~-]{1,64}$/u;
const domainPart =
  /^(?:[\p{Script=Latin}\p{Nd}](?:[\p{Script=Latin}\p{Nd}-]{0,61}[\p{Script=Latin}\p{Nd}])?\.){1,8}(?:xn--[a-z\d-]{2,59}|\p{Script=Latin}{2,63})(?![\p{Nd}_])/u;
/** `logo@2x.png` is a file. */
const fileEnding = /@\dx\.(?:png|jpe?g|gif|svg|webp)$/i;

export const findEmails: Detector = ({ text }) => {
  const found: { start: number; end: number }[] = [];
  for (let at = text.indexOf('@'); at !== -1; at = text.indexOf('@', at + 1)) {
    const local = localPart.exec(text.slice(Math.max(0, at - 64), at))?.[0].replace(/^['.*_#{}|!?&%-]+/, '') ?? '';
    const domain = domainPart.exec(text.slice(at + 1, at + 254))?.[0];
    if (local === '' || domain === undefined || fileEnding.test(`@${domain}`)) continue;
    found.push({ start: at - local.length, end: at + 1 + domain.length });
  }
  return found;
};
