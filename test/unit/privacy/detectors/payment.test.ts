import { describe, expect, it } from 'vitest';

import { found } from './found.js';

describe('payment cards', () => {
  it.each([
    ['Visa in groups', 'Please charge 4111 1111 1111 1111 today', '4111 1111 1111 1111'],
    ['with dashes', 'card 5555-5555-5555-4444, thanks', '5555-5555-5555-4444'],
    ['alone', 'paid with 6011111111111117.', '6011111111111117'],
    ['American Express', '3782 822463 10005', '3782 822463 10005'],
    ['Diners Club', '3056 9309 0259 04', '3056 9309 0259 04'],
    ['followed by its expiry date', '4111 1111 1111 1111 12/27', '4111 1111 1111 1111'],
    ['broken over a line', '4111-1111-\n1111-1111', '4111-1111-\n1111-1111'],
    [
      'full-width, with Japanese dashes',
      'カード：４１１１ー１１１１ー１１１１ー１１１１です',
      '４１１１ー１１１１ー１１１１ー１１１１',
    ],
    ['with zero-width characters', 'card 4111\u200B11111111\u200B1111', '4111\u200B11111111\u200B1111'],
  ])('are found %s', (_, text, card) => {
    expect(found(text)).toEqual([`card: ${card}`]);
  });

  it.each([
    ['with a wrong check digit', 'card 4111 1111 1111 1112'],
    ['of no issuer', 'card 1234 5678 9012 3452'],
    ['in a hash', 'sha a4111111111111111f'],
    ['as the digits of a decimal', 'pi is 3.4111111111111111'],
    ['as microseconds since 1970', 'at 1800000000000001'],
    ['of groups in different lines of a table', '4111\n1111\n1111\n1111'],
  ])('are not found %s', (_, text) => {
    expect(found(text)).toEqual([]);
  });
});

describe('IBANs', () => {
  it.each([
    ['in groups of four', 'to GB82 WEST 1234 5698 7654 32 please', 'GB82 WEST 1234 5698 7654 32'],
    ['compact', 'DE89370400440532013000', 'DE89370400440532013000'],
    ['in lower case', 'iban fr1420041010050500013m02606', 'fr1420041010050500013m02606'],
    ['of Norway, the shortest', 'NO93 8601 1117 947.', 'NO93 8601 1117 947'],
    ['followed by more digits', 'DE89 3704 0044 0532 0130 00 2026', 'DE89 3704 0044 0532 0130 00'],
  ])('are found %s', (_, text, iban) => {
    expect(found(text)).toEqual([`iban: ${iban}`]);
  });

  it.each([
    ['with wrong check digits', 'GB83 WEST 1234 5698 7654 32'],
    ['of the wrong length', 'DE8937040044053201300'],
    ['of a country without them', 'XX82 WEST 1234 5698 7654 32'],
  ])('are not found %s', (_, text) => {
    expect(found(text).filter((line) => line.startsWith('iban'))).toEqual([]);
  });
});
