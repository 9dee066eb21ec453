// The placeholders of one request and what they stand for: in memory, and gone with the request.
// `[EMAIL_1]` and not `<EMAIL_1>`: models and serializers escape angle brackets in JSON and HTML, and take them for tags.
import type { Span } from './spans.js';

export type Placeholders = {
  /** Texts that go out with the request: what looks like a placeholder in them is never given out. */
  reserve: (text: string) => void;
  /** @param spans in order, without overlaps */
  replace: (text: string, spans: readonly Span[]) => string;
  /** Placeholder -> the text that it stands for. */
  originals: ReadonlyMap<string, string>;
};

const looksLikePlaceholder = /\[[A-Z_]+_\d+\]/g;

export function openPlaceholders(): Placeholders {
  const reserved = new Set<string>();
  const originals = new Map<string, string>();
  const given = new Map<string, string>();
  const counters = new Map<string, number>();

  const next = (name: string): string => {
    const count = (counters.get(name) ?? 0) + 1;
    counters.set(name, count);
    const placeholder = `[${name}_${count}]`;
    return reserved.has(placeholder) ? next(name) : placeholder;
  };
  const placeholderOf = (original: string, kind: Span['kind']): string => {
    const name = kind.toUpperCase();
    const placeholder = given.get(`${name} ${original}`) ?? next(name);
    given.set(`${name} ${original}`, placeholder);
    originals.set(placeholder, original);
    return placeholder;
  };

  return {
    originals,
    reserve: (text) => {
      for (const [placeholder] of text.matchAll(looksLikePlaceholder)) reserved.add(placeholder);
    },
    replace: (text, spans) => {
      let position = 0;
      const pieces = spans.map(({ start, end, kind }) => {
        const piece = text.slice(position, start) + placeholderOf(text.slice(start, end), kind);
        position = end;
        return piece;
      });
      return pieces.join('') + text.slice(position);
    },
  };
}
