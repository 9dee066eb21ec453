// Random numbers that a seed repeats (mulberry32), and the choices that the corpus makes with them.

/** @param seed a whole number; the same one gives the same corpus */
export function openRandom(seed) {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const below = (limit) => Math.floor(next() * limit);
  const digits = (count) => Array.from({ length: count }, () => below(10)).join('');
  return {
    below,
    digits,
    between: (low, high) => low + below(high - low + 1),
    pick: (list) => list[below(list.length)],
    text: (count, letters) => Array.from({ length: count }, () => letters[below(letters.length)]).join(''),
  };
}
