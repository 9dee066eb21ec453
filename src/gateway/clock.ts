// Time as the gateway's core sees it, so that a test can hold it.

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

/** Resolves early, with false, when the signal is aborted. */
export function waitFor(clock: Clock, delayMs: number, signal: AbortSignal): Promise<boolean> {
  if (signal.aborted) return Promise.resolve(false);
  return new Promise((resolve) => {
    const end = (waited: boolean): void => {
      cancel();
      signal.removeEventListener('abort', leave);
      resolve(waited);
    };
    const leave = (): void => end(false);
    const cancel = clock.after(delayMs, () => end(true));
    signal.addEventListener('abort', leave);
  });
}
