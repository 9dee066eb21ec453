// What detectors find: ranges of a text with their kind, and which of two that overlap counts.

/** In the order in which they win over each other at equal length: kinds with a check digit first. */
export const kinds = [
  'card',
  'iban',
  'my_number',
  'corporate_number',
  'ssn',
  'itin',
  'ein',
  'email',
  'phone',
  'bank_account',
  'postal_code',
  'name',
] as const;

export type Kind = (typeof kinds)[number];

/** `end` is exclusive; UTF-16 units, as in String.slice. */
export type Span = { start: number; end: number; kind: Kind };

/** The longest counts, then the kind, then the first. The result is in the order of the text and free of overlaps. */
export function withoutOverlaps(spans: readonly Span[]): Span[] {
  if (spans.length < 2) return [...spans];
  const best = [...spans].sort(
    (one, other) =>
      other.end - other.start - (one.end - one.start) ||
      kinds.indexOf(one.kind) - kinds.indexOf(other.kind) ||
      one.start - other.start,
  );
  const kept: Span[] = [];
  for (const span of best) {
    if (kept.every((other) => span.end <= other.start || span.start >= other.end)) kept.push(span);
  }
  return kept.sort((one, other) => one.start - other.start);
}
