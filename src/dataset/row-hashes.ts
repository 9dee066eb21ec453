// The rows of a prepared split as hashes: a Merkle root for the lock, and a list beside it, so that a changed row can be named.
import { createHash } from 'node:crypto';

/** In the file's order; SHA-256 of each line, in hex. */
export type RowHashes = string[];

export type RowChanges = { removed: number[]; added: number[] };

/**
 * Root over the sorted leaves, so that it names the set of rows and not their order. Leaves and inner nodes are hashed
 * under different prefixes, as RFC 6962, section 2.1, has it, so that no inner node can pass for a leaf.
 */
export function merkleRoot(rows: RowHashes): string {
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

/** 0-based rows that went (their place then) and that came (their place now); an equal row elsewhere is neither. */
export function changedRows(then: RowHashes, now: RowHashes): RowChanges {
  return { removed: surplus(then, now), added: surplus(now, then) };
}

/** 16 of 64 hex digits a row are enough to name it, and keep the file small: 1.7 MB for 100,000 rows. */
export function renderRowHashes(splits: Record<string, RowHashes>): string {
  return Object.entries(splits)
    .map(([name, rows]) => [`# ${name} ${rows.length}`, ...rows.map((row) => row.slice(0, 16))].join('\n'))
    .join('\n')
    .concat('\n');
}

/** @returns for each split its shortened hashes: compare them with hashes cut to the same length */
export function parseRowHashes(text: string): Record<string, RowHashes> {
  const splits: Record<string, RowHashes> = {};
  let rows: RowHashes = [];
  for (const line of text.split('\n')) {
    if (line.startsWith('# ')) {
      rows = [];
      splits[line.split(' ')[1] ?? ''] = rows;
    } else if (line !== '') rows.push(line);
  }
  return splits;
}

function surplus(rows: RowHashes, others: RowHashes): number[] {
  const left = new Map<string, number>();
  for (const row of others) left.set(row, (left.get(row) ?? 0) + 1);
  return rows.flatMap((row, index) => {
    const count = left.get(row) ?? 0;
    if (count === 0) return [index];
    left.set(row, count - 1);
    return [];
  });
}

function digest(bytes: Buffer): Buffer {
  return createHash('sha256').update(bytes).digest();
}
