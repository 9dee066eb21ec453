// Looks at what there is to see to: regularly, and soon when something was reported. Never two of them at once.
import { errorMessage } from '../errors.js';
import { systemClock, type Clock } from '../gateway/clock.js';

export type Looks = {
  /** Now, unless one goes on. */
  look: () => Promise<void>;
  /** At once, or when the one before is over and was some seconds ago: however often it is called, no report is left unseen. */
  soon: () => void;
  end: () => void;
};

export const lookEveryMs = 15_000;
export const restBetweenMs = 2_000;

/** One that fails is told, and followed by the next one. */
export function lookRegularly(
  work: () => Promise<void>,
  warn: (line: string) => void,
  clock: Clock = systemClock,
): Looks {
  let [working, wanted, ended] = [false, false, false];
  let begunAtMs = -restBetweenMs;
  const look = async (): Promise<void> => {
    if (working || ended) return;
    [working, begunAtMs] = [true, clock.nowMs()];
    await workOrTell(work, warn);
    working = false;
    if (wanted) arrange();
  };
  let callOffNext: (() => void) | undefined;
  const arrange = (): void => {
    if (working || ended || callOffNext) return;
    callOffNext = clock.after(Math.max(0, begunAtMs + restBetweenMs - clock.nowMs()), () => {
      callOffNext = undefined;
      // Else the one that goes on arranges it at its end.
      if (working) return;
      wanted = false;
      void look();
    });
  };
  const callOffTicks = everyTime(lookEveryMs, () => void look(), clock);
  return {
    look,
    soon: () => {
      wanted = true;
      arrange();
    },
    end: () => {
      ended = true;
      callOffTicks();
      callOffNext?.();
    },
  };
}

async function workOrTell(work: () => Promise<void>, warn: (line: string) => void): Promise<void> {
  try {
    await work();
  } catch (error) {
    warn(`What there is to see to could not be looked at wholly: ${errorMessage(error)}`);
  }
}

function everyTime(everyMs: number, run: () => void, clock: Clock): () => void {
  let callOff = (): void => undefined;
  const tick = (): void => {
    callOff = clock.after(everyMs, () => {
      tick();
      run();
    });
  };
  tick();
  return () => callOff();
}
