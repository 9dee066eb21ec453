// Fisher's exact test: whether one share is larger than another by more than chance. Exact for any number of requests, small ones
// too, where the usual approximations are not. Pure.

export type Share = { hits: number; of: number };

/**
 * One-sided p-value: how likely the second sample would have at least its hits if both had the same share. Source: R. A. Fisher,
 * Statistical Methods for Research Workers, 5th edition (1934), section 21.02; the hypergeometric distribution of the 2x2 table.
 */
export function fisherExact(before: Share, after: Share): number {
  const hits = before.hits + after.hits;
  const all = before.of + after.of;
  const most = Math.min(hits, after.of);
  const logOf = logFactorials(all);
  const choose = (of: number, count: number): number =>
    (logOf[of] ?? 0) - (logOf[count] ?? 0) - (logOf[of - count] ?? 0);
  let sum = 0;
  for (let count = after.hits; count <= most; count += 1) {
    if (hits - count > before.of) continue;
    sum += Math.exp(choose(after.of, count) + choose(before.of, hits - count) - choose(all, hits));
  }
  return Math.min(1, sum);
}

/** log(n!) at index n. */
function logFactorials(upTo: number): Float64Array {
  const logs = new Float64Array(upTo + 1);
  for (let number = 2; number <= upTo; number += 1) logs[number] = (logs[number - 1] ?? 0) + Math.log(number);
  return logs;
}
