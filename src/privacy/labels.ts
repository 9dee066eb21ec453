// The words before a number that say what it is: `SSN: ...`, `口座番号は...`, and those that say it is something else.

const reachCharacters = 48;

// What long numbers mostly are when they are nobody's identifier. Only directly before the number: in `in that case call
// 415-555-2671` the case says nothing.
const otherNumber = new RegExp(
  String.raw`(?:\b(?:orders?|invoice|tracking|tickets?|case|parts?|sku|model|serial|batch|lot|build|version|commit|` +
    String.raw`receipt|ref|reference|isbn|ean|jan|upc|gtin|barcode|timestamp|epoch|job|run|item|product|asset|po|` +
    String.raw`transaction|shipment)(?:[\s_-]?(?:number|num|no|id|code))?|` +
    '(?:注文|伝票|請求書|追跡|問い?合わ?せ|受付|商品|品番|型番|管理|整理|製造|バーコード|取引)(?:番号|コード|ID|No)?)' +
    String.raw`(?:は|が| is| was)?[^\p{L}\p{N}]{0,5}$`,
  'iu',
);

/** `named`: a word of its own kind stands before it. `other`: a word for another kind of number stands nearer. */
export type Label = 'named' | 'other' | 'none';

/** @param own words of the kind, as a global pattern */
export function labelBefore(text: string, start: number, own: RegExp): Label {
  const before = text.slice(Math.max(0, start - reachCharacters), start);
  let ownEnd = -1;
  for (const match of before.matchAll(own)) ownEnd = match.index + match[0].length;
  const other = otherNumber.exec(before);
  if (other !== null && other.index >= ownEnd) return 'other';
  return ownEnd === -1 ? 'none' : 'named';
}
