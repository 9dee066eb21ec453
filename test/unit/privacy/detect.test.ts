import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { findIdentifiers } from '../../../src/privacy/detect.js';
import { kinds, withoutOverlaps, type Kind } from '../../../src/privacy/spans.js';
import { found } from './detectors/found.js';

const detection = { kinds, phoneRegions: ['US', 'JP'] };

describe('what is found', () => {
  it('is only what was asked for', () => {
    const text = 'jane@example.com, 415-555-2671';
    expect(findIdentifiers(text, { ...detection, kinds: ['phone'] }).map(({ kind }) => kind)).toEqual(['phone']);
  });

  it('is the longest of what overlaps, then what has a check digit', () => {
    const span = (start: number, end: number, kind: Kind) => ({ start, end, kind });
    expect(withoutOverlaps([span(0, 5, 'phone'), span(2, 12, 'email')])).toEqual([span(2, 12, 'email')]);
    expect(withoutOverlaps([span(0, 12, 'phone'), span(0, 12, 'my_number')])).toEqual([span(0, 12, 'my_number')]);
    expect(withoutOverlaps([span(9, 12, 'phone'), span(0, 3, 'email')])).toEqual([
      span(0, 3, 'email'),
      span(9, 12, 'phone'),
    ]);
  });

  it('is found side by side, each as its kind', () => {
    const text = '氏名 山田太郎 〒100-8111 東京都 tel:03-1234-5678 taro@example.jp カード4111-1111-1111-1111';
    expect(found(text)).toEqual([
      'postal_code: 100-8111',
      'phone: 03-1234-5678',
      'email: taro@example.jp',
      'card: 4111-1111-1111-1111',
    ]);
  });

  it('stands in the text, in its order and apart, whatever the text is', () => {
    const piece = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.constantFrom(
        '4111 1111 1111 1111',
        '９８３２０５６７３２１４',
        'a@b.co',
        '+81-90-1234-5678',
        '㍿',
        '\u200B',
        '〒100-8111',
        ' - ',
        '-\n',
      ),
      fc.nat().map(String),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), fc.constantFrom('', 'ssn', '口座番号'), (pieces, label) => {
        const text = pieces.join('');
        let position = 0;
        for (const { start, end } of findIdentifiers(text, detection, label)) {
          expect(start).toBeGreaterThanOrEqual(position);
          expect(end).toBeGreaterThan(start);
          position = end;
        }
        expect(position).toBeLessThanOrEqual(text.length);
      }),
      { numRuns: 500 },
    );
  });
});
