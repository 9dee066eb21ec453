import { describe, expect, it } from 'vitest';

import { found } from './found.js';

describe('tax numbers of the United States', () => {
  it.each([
    ['an SSN', 'my number is 536-90-4399', 'ssn: 536-90-4399'],
    ['an SSN with spaces', 'it is 536 90 4399 here', 'ssn: 536 90 4399'],
    ['an SSN in a row behind its name', 'SSN: 536904399', 'ssn: 536904399'],
    ['an ITIN', 'taxpayer 912-70-1234', 'itin: 912-70-1234'],
    ['an EIN', 'employer 12-3456789', 'ein: 12-3456789'],
    ['an EIN in a row behind its name', 'EIN 123456789', 'ein: 123456789'],
  ])('are found: %s', (_, text, expected) => {
    expect(found(text)).toEqual([expected]);
  });

  it.each([
    ['an area that was never issued', 'SSN 000-12-3456, 666-12-3456'],
    ['a group that was never issued', 'SSN 536-00-4399'],
    ['nine digits of which nobody says what they are', 'we counted 536904399 of them'],
    ['the number of a part', 'part no. 12-3456789'],
    ['a prefix that no office has', 'EIN 07-3456789'],
  ])('are not found: %s', (_, text) => {
    expect(found(text)).toEqual([]);
  });

  it('are told by the key that they stand under', () => {
    expect(found('536904399')).toEqual([]);
    expect(found('536904399', 'ssn')).toEqual(['ssn: 536904399']);
    expect(found('536904399', 'order_id')).toEqual([]);
  });
});
