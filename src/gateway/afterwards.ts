// What is written down of requests that are over waits until a few have come together: their clients have asked the next thing by
// then, and no answer stands behind it.

/** Short beside what people can notice, long beside a request's own way. */
const waitMs = 5;
/** Together they hold up nobody for longer than about 0.2 ms. */
const atOnce = 32;

export type Afterwards<Item> = {
  add: (item: Item) => void;
  /** Takes now whatever waits. */
  flush: () => void;
};

export function openAfterwards<Item>(take: (item: Item) => void): Afterwards<Item> {
  const waiting: Item[] = [];
  let timer: NodeJS.Timeout | undefined;
  const flush = (): void => {
    clearTimeout(timer);
    timer = undefined;
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) take(next);
  };
  return {
    add: (item) => {
      waiting.push(item);
      if (waiting.length >= atOnce) flush();
      else timer ??= setTimeout(flush, waitMs).unref();
    },
    flush,
  };
}
