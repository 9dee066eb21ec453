import { describe, expect, it } from 'vitest';

import { found } from './found.js';

describe('My Number', () => {
  it.each([
    ['alone', 'It is 983205673214 as far as I know', '983205673214'],
    ['in groups', '個人番号 9832-0567-3214', '9832-0567-3214'],
    ['full-width', 'マイナンバーは９８３２０５６７３２１４です', '９８３２０５６７３２１４'],
  ])('is found %s', (_, text, number) => {
    expect(found(text)).toEqual([`my_number: ${number}`]);
  });

  it.each([
    ['with a wrong check digit', 'マイナンバー 983205673210'],
    ['as the number of an order', 'order number 983205673214'],
    ['as the number of an order, in Japanese', '注文番号は983205673214です'],
    ['in a longer number with dashes', 'INV-983205673214'],
    ['as a date and time', 'at 202611210017 it began'],
  ])('is not found %s', (_, text) => {
    expect(found(text)).toEqual([]);
  });
});

describe('corporate numbers', () => {
  // The National Tax Agency's own.
  it.each([
    ['behind their name', '法人番号：7000012050002', '7000012050002'],
    ['as an invoice registration number', '登録番号 T7000012050002', 'T7000012050002'],
    ['in groups', '7-0000-1205-0002', '7-0000-1205-0002'],
  ])('are found %s', (_, text, number) => {
    expect(found(text)).toEqual([`corporate_number: ${number}`]);
  });

  it('are not found in a time in milliseconds, nor with a wrong check digit', () => {
    expect(found('created 1795219200000')).toEqual([]);
    expect(found('法人番号：8000012050002')).toEqual([]);
  });
});

describe('postal codes', () => {
  it.each([
    ['behind the postal mark', '〒100-8111 東京都千代田区', '100-8111'],
    ['behind the postal mark without a dash', '〒1008111', '1008111'],
    ['behind a word', '郵便番号は100-8111', '100-8111'],
    ['before a prefecture', '530-8201 大阪府大阪市', '530-8201'],
    ['full-width', '〒１００－８１１１', '１００－８１１１'],
  ])('are found %s', (_, text, code) => {
    expect(found(text)).toEqual([`postal_code: ${code}`]);
  });

  it('are not taken for any seven digits', () => {
    expect(found('pages 100-8111, part 555-1234')).toEqual([]);
  });
});

describe('bank accounts', () => {
  it.each([
    ['behind their name', '口座番号：1234567', '1234567'],
    ['behind their kind', 'みずほ銀行 東京営業部 普通 1234567', '1234567'],
    ['with bank and branch', '振込先の銀行は 0001-001-1234567', '0001-001-1234567'],
    ['in English', 'Account number is 7654321.', '7654321'],
  ])('are found %s', (_, text, account) => {
    expect(found(text)).toEqual([`bank_account: ${account}`]);
  });

  it('are not any seven digits', () => {
    expect(found('price 1234567 yen')).toEqual([]);
    expect(found('口座を開いた日: 1234567890123')).toEqual([]);
  });
});
