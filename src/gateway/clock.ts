// Time as the gateway's core sees it, so that a test can hold it.
import type { Departure } from './departure.js';

export type Clock = {
  /** Milliseconds that only ever grow. */
  nowMs: () => number;
  /** @returns what calls it off */
  after: (delayMs: number, run: () => void) => () => void;
};

export const systemClock: Clock = {
  nowMs: () => performance.now(),
  after: (delayMs, run) => {
    const timer = setTimeout(run, delayMs);
    return () => clearTimeout(timer);
  },
};

/** Resolves early, with false, when the client goes. */
export function waitFor(clock: Clock, delayMs: number, departure: Departure): Promise<boolean> {
  if (departure.gone()) return Promise.resolve(false);
  return new Promise((resolve) => {
    const end = (waited: boolean): void => {
      cancel();
      stay();
      resolve(waited);
    };
    const cancel = clock.after(delayMs, () => end(true));
    const stay = departure.onGone(() => end(false));
  });
}
