// How a switch deals with memory: both servers beside each other, or one after the other while requests wait.
import { MlxError } from '../errors.js';

/** With `hold` there is never more than one server of the route: requests wait in the gateway meanwhile. */
export type Strategy = 'side-by-side' | 'hold';

export const strategies: readonly Strategy[] = ['side-by-side', 'hold'];

export const strategyHelp = 'hold: where there is no room for two servers, requests wait while one is replaced';

/** @throws MlxError USAGE */
export function readStrategy(flags: Record<string, unknown>): { strategy: Strategy; maxHoldMs: number | undefined } {
  const strategy = flags['strategy'] === 'hold' ? 'hold' : 'side-by-side';
  const { maxHold } = flags as { maxHold?: string };
  if (maxHold === undefined) return { strategy, maxHoldMs: undefined };
  const seconds = Number(maxHold);
  if (Number.isFinite(seconds) && seconds > 0) return { strategy, maxHoldMs: seconds * 1000 };
  throw new MlxError('USAGE', `--max-hold takes a number of seconds, not '${maxHold}'.`, {
    hint: 'For example: --max-hold 60',
  });
}
