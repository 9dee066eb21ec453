// Digits that may be one number: alone, or in groups with a separator between them, as people write cards and
// identifiers. Found once for a text; each detector then looks at length, grouping and check digit.

export type DigitRun = {
  start: number;
  end: number;
  digits: string;
  /** Lengths of the groups: `16`, `4-4-4-4`. */
  shape: string;
  /** Between the groups; empty when there is one group. */
  separator: '' | '-' | ' ' | '.';
  /** No further group stands beside it with a separator that groups could have. */
  whole: boolean;
  /** Part of a longer word with dashes, such as `INV-1234-A`. */
  dashed: boolean;
};

export const digitLimits = { shortest: 7, longest: 19 } as const;

// A dash may have spaces around it or a line break after it; a space may be a line break.
const chain = /\d+(?:(?: ?- ?(?:\r?\n)?| |\.|\r?\n)\d+)*/g;
const group = /\d+/g;

export function digitRuns(text: string): DigitRun[] {
  const runs: DigitRun[] = [];
  for (const match of text.matchAll(chain)) {
    if (match[0].length >= digitLimits.shortest) addRuns(text, match.index, match[0], runs);
  }
  return runs;
}

type Group = { start: number; end: number };

function addRuns(text: string, offset: number, written: string, runs: DigitRun[]): void {
  const groups = [...written.matchAll(group)].map(({ index, 0: digits }) => ({
    start: offset + index,
    end: offset + index + digits.length,
  }));
  for (const first of groups.keys()) {
    let count = 0;
    for (let last = first; last < groups.length; last += 1) {
      const { start, end } = groups[last] as Group;
      count += end - start;
      if (count > digitLimits.longest) break;
      if (count < digitLimits.shortest) continue;
      const run = runOf(text, groups, first, last);
      if (run !== undefined) runs.push(run);
    }
  }
}

function runOf(text: string, groups: readonly Group[], first: number, last: number): DigitRun | undefined {
  const chosen = groups.slice(first, last + 1);
  const { start } = groups[first] as Group;
  const { end } = groups[last] as Group;
  const separator = separatorOf(text, chosen);
  if (separator === undefined) return undefined;
  // Further groups may stand beside it only behind a space or a line: `4111 1111 1111 1111 12 27`.
  const before = first === 0 ? '' : text.slice((groups[first - 1] as Group).end, start);
  const after = last === groups.length - 1 ? '' : text.slice(end, (groups[last + 1] as Group).start);
  if (before.trim() !== '' || after.trim() !== '') return undefined;
  if (isInsideWord(text, start, end)) return undefined;
  return {
    start,
    end,
    digits: chosen.map((each) => text.slice(each.start, each.end)).join(''),
    shape: chosen.map((each) => each.end - each.start).join('-'),
    separator,
    whole: before === '' && after === '',
    dashed: /\w-$/.test(text.slice(Math.max(0, start - 2), start)) || /^-\w/.test(text.slice(end, end + 2)),
  };
}

/** One kind of separator in the whole number; line breaks alone would make a number of every column of a table. */
function separatorOf(text: string, groups: readonly Group[]): DigitRun['separator'] | undefined {
  const between = groups.slice(1).map(({ start }, index) => text.slice((groups[index] as Group).end, start));
  if (between.length === 0) return '';
  if (between.every((each) => each.includes('-'))) return '-';
  if (between.every((each) => each === '.')) return '.';
  const spaced = between.every((each) => each.trim() === '') && between.includes(' ');
  return spaced ? ' ' : undefined;
}

/** Letters, or digits behind a point, comma, colon or slash: hashes, decimals, versions, dates, addresses. */
function isInsideWord(text: string, start: number, end: number): boolean {
  const before = text.slice(Math.max(0, start - 2), start);
  const after = text.slice(end, end + 2);
  return /\w$|\d[.,:/]$/.test(before) || /^\w|^[.,:/]\d/.test(after);
}
