import { describe, expect, it } from 'vitest';

import { found } from './found.js';

describe('email addresses', () => {
  it.each([
    ['in a sentence', 'Write to jane.doe+tax@example.co.uk.', 'jane.doe+tax@example.co.uk'],
    ['between Japanese letters', '連絡先はtaro@example.jpまで', 'taro@example.jp'],
    ['full-width', 'ｔａｒｏ＠ｅｘａｍｐｌｅ．ｊｐ', 'ｔａｒｏ＠ｅｘａｍｐｌｅ．ｊｐ'],
    ['in brackets', 'Jane <jane@example.com>', 'jane@example.com'],
    ['behind a parameter', '?user=jane@example.com&x=1', 'jane@example.com'],
    ['with an apostrophe', "o'brien@example.ie", "o'brien@example.ie"],
    ['with letters of other alphabets', 'josé@exämple.de', 'josé@exämple.de'],
  ])('are found %s', (_, text, address) => {
    expect(found(text)).toEqual([`email: ${address}`]);
  });

  it.each(['npm install @scope/package@1.2.3', 'logo@2x.png', 'a @mention and user@localhost', '@', 'me@'])(
    'are not found in %s',
    (text) => {
      expect(found(text)).toEqual([]);
    },
  );
});

describe('phone numbers', () => {
  it.each([
    ['of the United States', 'call (415) 555-2671 now', '(415) 555-2671'],
    ['with dashes', '415-555-2671', '415-555-2671'],
    ['with points', '415.555.2671', '415.555.2671'],
    ['with the code of the country', '+1 415 555 2671', '+1 415 555 2671'],
    ['in a row behind a word', 'phone: 4155552671', '4155552671'],
    ['of Japan', '電話 03-1234-5678', '03-1234-5678'],
    ['of Japan with brackets', '03(1234)5678', '03(1234)5678'],
    ['of a mobile of Japan', '09012345678', '09012345678'],
    ['of Japan from abroad', '+81-90-1234-5678', '+81-90-1234-5678'],
    ['full-width', '０９０ー１２３４ー５６７８', '０９０ー１２３４ー５６７８'],
    ['free of charge', '0120-444-444', '0120-444-444'],
    ['of Germany', '+49 30 901820', '+49 30 901820'],
  ])('are found %s', (_, text, number) => {
    expect(found(text)).toEqual([`phone: ${number}`]);
  });

  it('are found one after the other', () => {
    expect(found('415-555-2671 650-253-0000')).toEqual(['phone: 415-555-2671', 'phone: 650-253-0000']);
  });

  it.each([
    ['seconds since 1970', 'at 1700000000'],
    ['an order', 'order 4155552671'],
    ['a date and a time', '2026-11-21 10:15:30'],
    ['a version', 'v10.2.3.4567 build 20261121'],
    ['an address of the internet', '192.168.100.200'],
    ['a uuid', '550e8400-e29b-41d4-a716-446655440000'],
  ])('are not found in %s', (_, text) => {
    expect(found(text)).toEqual([]);
  });
});
