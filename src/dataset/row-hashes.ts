// The rows of a prepared split as hashes: a Merkle root for the lock, and a list beside it, so that a changed row can be named.
import { createHash } from 'node:crypto';

/** One prepared row: the SHA-256 of its line in the prepared file, in hex, and where it came from. */
export type RowRecord = { sha256: string; file: string; line: number };

/** By split, in the order of the prepared file. */
export type SplitRows = Record<string, RowRecord[]>;

export type RowChange = {
  split: string;
  /** `moved`: from another split into this one. `reordered`: the rows are the same, and from here on in another order. */
  change: 'changed' | 'added' | 'removed' | 'moved' | 'reordered';
  file: string;
  /** Where it is now; for `removed`: where it was. */
  line: number;
};

/** 16 of 64 hex digits a row are enough to name it, and keep the file small: 2.4 MB for 100,000 rows. */
const shownDigits = 16;

/**
 * Root over the sorted leaves, so that it names the set of rows and not their order. Leaves and inner nodes are hashed
 * under different prefixes, as RFC 6962, section 2.1, has it, so that no inner node can pass for a leaf.
 */
export function merkleRoot(rows: readonly string[]): string {
  let level = rows.toSorted().map((row) => digest(Buffer.concat([Buffer.of(0), Buffer.from(row, 'hex')])));
  if (level.length === 0) return createHash('sha256').digest('hex');
  while (level.length > 1) {
    const above: Buffer[] = [];
    for (let index = 0; index < level.length; index += 2) {
      const [left, right] = [level[index], level[index + 1]];
      if (left) above.push(right ? digest(Buffer.concat([Buffer.of(1), left, right])) : left);
    }
    level = above;
  }
  return level[0]?.toString('hex') ?? '';
}

/** What became of the rows, by their content: a row that only stands elsewhere is no change. In the order of the files. */
export function changedRows(then: SplitRows, now: SplitRows): RowChange[] {
  const splits = [...new Set([...Object.keys(then), ...Object.keys(now)])];
  const gone = splits.flatMap((split) => surplus(split, then[split] ?? [], now[split] ?? []));
  const come = splits.flatMap((split) => surplus(split, now[split] ?? [], then[split] ?? []));
  const goneByPlace = new Map(gone.map((row) => [placeOf(row), row]));
  const goneByHash = new Map(gone.map((row) => [row.sha256, row]));
  const explained = new Set<PlacedRow>();
  const changes = come.map((row): RowChange => {
    const moved = goneByHash.get(row.sha256);
    const replaced = goneByPlace.get(placeOf(row));
    const origin = moved ?? replaced;
    if (origin) explained.add(origin);
    return asChange(row, moved ? 'moved' : replaced ? 'changed' : 'added');
  });
  return [...changes, ...gone.filter((row) => !explained.has(row)).map((row) => asChange(row, 'removed'))];
}

/** Of each split that holds the same rows in another order: the first row that stands where another one stood. */
export function reorderedRows(then: SplitRows, now: SplitRows): RowChange[] {
  return Object.entries(now).flatMap(([split, rows]) => {
    const before = then[split] ?? [];
    const isSame = rows.length === before.length && surplus(split, rows, before).length === 0;
    const first = isSame
      ? rows.find((row, index) => short(row.sha256) !== short(before[index]?.sha256 ?? ''))
      : undefined;
    return first ? [asChange({ ...first, split }, 'reordered')] : [];
  });
}

/** For people: `data/tickets.jsonl line 17 was changed (train)`. */
export function describeChange({ split, change, file, line }: RowChange): string {
  const where = `${file} line ${line}`;
  if (change === 'moved') return `${where} moved into ${split}`;
  if (change === 'reordered') return `from ${where} on the rows of ${split} are in another order`;
  return change === 'removed' ? `${where} is gone from ${split}` : `${where} was ${change} (${split})`;
}

/** A file's name once, then its rows: hash and line. */
export function renderRows(splits: SplitRows): string {
  const lines = ['# The rows of the lock beside this file, by split and file: SHA-256 (its beginning) and line.'];
  for (const [split, rows] of Object.entries(splits)) {
    lines.push(`split ${split}`);
    let file: string | undefined;
    for (const row of rows) {
      if (row.file !== file) lines.push(`file ${row.file}`);
      file = row.file;
      lines.push(`${row.sha256.slice(0, shownDigits)} ${row.line}`);
    }
  }
  return `${lines.join('\n')}\n`;
}

/** The hashes stay shortened; `changedRows` takes them so. */
export function parseRows(text: string): SplitRows {
  const splits: SplitRows = {};
  let rows: RowRecord[] = [];
  let file = '';
  for (const line of text.split(/\r?\n/)) {
    if (line.startsWith('#') || line === '') continue;
    if (line.startsWith('split ')) splits[line.slice('split '.length)] = rows = [];
    else if (line.startsWith('file ')) file = line.slice('file '.length);
    else {
      const [sha256 = '', number = ''] = line.split(' ');
      rows.push({ sha256, file, line: Number(number) });
    }
  }
  return splits;
}

type PlacedRow = RowRecord & { split: string };

function surplus(split: string, rows: readonly RowRecord[], others: readonly RowRecord[]): PlacedRow[] {
  const left = new Map<string, number>();
  for (const { sha256 } of others) left.set(short(sha256), (left.get(short(sha256)) ?? 0) + 1);
  return rows.flatMap((row) => {
    const sha256 = short(row.sha256);
    const count = left.get(sha256) ?? 0;
    if (count === 0) return [{ ...row, sha256, split }];
    left.set(sha256, count - 1);
    return [];
  });
}

function asChange({ split, file, line }: PlacedRow, change: RowChange['change']): RowChange {
  return { split, change, file, line };
}

function placeOf({ split, file, line }: PlacedRow): string {
  return `${split}\0${file}\0${line}`;
}

function short(sha256: string): string {
  return sha256.slice(0, shownDigits);
}

function digest(bytes: Buffer): Buffer {
  return createHash('sha256').update(bytes).digest();
}
