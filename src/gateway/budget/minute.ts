// How much came in during the last sixty seconds, to the second: exact for any window, unlike counters that begin anew each minute.

export type Minute = {
  sum: (nowMs: number) => number;
  /** @returns what takes a part of it back, or adds to it, as long as that second still counts */
  add: (amount: number, nowMs: number) => (change: number) => void;
  /** How long until `amount` fits under `allowed`. */
  waitMs: (amount: number, allowed: number, nowMs: number) => number;
};

/** One more than sixty: the second that runs now is not over yet. */
const slots = 61;

export function openMinute(): Minute {
  const amounts = new Float64Array(slots);
  const seconds = new Float64Array(slots).fill(-1);
  const amountAt = (second: number): number =>
    seconds[second % slots] === second ? (amounts[second % slots] ?? 0) : 0;
  const sumFrom = (oldest: number, newest: number): number => {
    let sum = 0;
    for (let second = Math.max(0, oldest); second <= newest; second += 1) sum += amountAt(second);
    return sum;
  };
  const change = (second: number, amount: number): void => {
    const slot = second % slots;
    if (seconds[slot] !== second) amounts[slot] = 0;
    seconds[slot] = second;
    amounts[slot] = (amounts[slot] ?? 0) + amount;
  };
  return {
    sum: (nowMs) => sumFrom(secondOf(nowMs) - slots + 1, secondOf(nowMs)),
    add: (amount, nowMs) => {
      const second = secondOf(nowMs);
      change(second, amount);
      return (correction) => {
        if (seconds[second % slots] === second) change(second, correction);
      };
    },
    waitMs: (amount, allowed, nowMs) => {
      const now = secondOf(nowMs);
      for (let second = now + 1; second < now + slots; second += 1) {
        if (sumFrom(second - slots + 1, now) + amount <= allowed) return second * 1000 - nowMs;
      }
      return slots * 1000;
    },
  };
}

function secondOf(ms: number): number {
  return Math.floor(ms / 1000);
}
