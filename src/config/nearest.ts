// "Did you mean": the known name that is closest to what was typed.
import { closest, distance } from 'fastest-levenshtein';

/** @returns undefined when nothing is close enough to be a slip of the finger */
export function nearestName(typed: string, known: readonly string[]): string | undefined {
  if (known.length === 0) return undefined;
  const nearest = closest(typed, known);
  return distance(typed, nearest) <= Math.max(2, Math.floor(typed.length / 3)) ? nearest : undefined;
}

/** The known names that begin with or resemble what was typed, best first. */
export function nearestNames(typed: string, known: readonly string[], limit = 3): string[] {
  return [...known].sort((one, other) => distance(typed, one) - distance(typed, other)).slice(0, limit);
}
