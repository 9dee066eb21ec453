// Placeholders in an answer back to what they stand for: in a whole text, and in one that arrives in pieces.
export type Originals = ReadonlyMap<string, string>;

/** Longer than any placeholder: what is held back is bounded. */
const longestPlaceholder = 32;
const placeholder = /\[[A-Z_]+_\d+\]/g;
/** What a placeholder may look like while its end is missing. */
const beginning = /^\[[A-Z_]*\d*$/;

/** @param isJson the text is JSON: what is put into it is escaped */
export function restoreText(text: string, originals: Originals, isJson: boolean): string {
  if (!text.includes('[')) return text;
  return text.replaceAll(placeholder, (found) => {
    const original = originals.get(found);
    if (original === undefined) return found;
    return isJson ? JSON.stringify(original).slice(1, -1) : original;
  });
}

/** An object or a list as JSON, as structured answers are; a text may begin with a placeholder, too. */
export function looksLikeJson(text: string): boolean {
  return /^\s*(?:\{|\[(?![A-Z]))/.test(text);
}

export type PieceRestorer = {
  /** @returns what is certain by now; only what may be the beginning of a placeholder is held back */
  push: (piece: string) => string;
  /** What was held back, when no more comes. */
  rest: () => string;
};

/** @param isJson undefined: told by how the text begins */
export function openPieceRestorer(originals: Originals, isJson: boolean | undefined): PieceRestorer {
  let held = '';
  let escapes = isJson;
  return {
    push: (piece) => {
      const text = held + piece;
      const keep = text.length - heldLength(text, originals);
      held = text.slice(keep);
      const ready = text.slice(0, keep);
      if (escapes === undefined && ready.trim() !== '') escapes = looksLikeJson(ready);
      return restoreText(ready, originals, escapes ?? false);
    },
    rest: () => {
      const rest = held;
      held = '';
      return rest;
    },
  };
}

function heldLength(text: string, originals: Originals): number {
  const start = text.lastIndexOf('[');
  const length = text.length - start;
  if (start === -1 || length > longestPlaceholder) return 0;
  const end = text.slice(start);
  if (!beginning.test(end)) return 0;
  for (const known of originals.keys()) if (known.startsWith(end)) return length;
  return 0;
}
