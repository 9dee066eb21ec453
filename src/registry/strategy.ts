// How a switch deals with memory, decided from what was measured: the adapter into the server that runs, a second server beside it,
// or one after the other while requests wait, the first one asleep or stopped. Pure.
import { MlxError } from '../errors.js';

export type Strategy = 'adapter-swap' | 'side-by-side' | 'sleep' | 'hold';
export type AskedStrategy = Strategy | 'auto';

export const strategies: readonly AskedStrategy[] = ['auto', 'adapter-swap', 'side-by-side', 'sleep', 'hold'];

export const strategyHelp =
  'auto: the adapter alone into the running server where it can, else a second server where memory allows; else requests wait while the old server sleeps, or is stopped (hold)';

/** What runs now uses, and what is left: of the machine, or of its GPU. */
export type MeasuredMemory = { usedBytes: number; freeBytes: number; of: 'machine' | 'gpu' };

export type SwitchFacts = {
  /** A server that answers has the route now, and none that is kept warm and awake holds the version. */
  replaces: boolean;
  /** Why the adapter cannot go into the server that runs; null: it can. */
  swapObstacle: string | null;
  /** Why the server that runs cannot sleep; null: it can. */
  sleepObstacle: string | null;
  /** null: not known. */
  memory: MeasuredMemory | null;
};

export type StrategyChoice = {
  strategy: Strategy;
  /** For people: what it rests on. */
  why: string;
};

const mib = 2 ** 20;
const marginBytes = 256 * mib;

/** A second server needs what the first one uses, and a tenth and 256 MiB more. */
export function neededBytes(usedBytes: number): number {
  return Math.round(usedBytes * 1.1) + marginBytes;
}

/** @throws MlxError STRATEGY_IMPOSSIBLE for a swap that was asked for by name */
export function chooseStrategy(asked: AskedStrategy, facts: SwitchFacts): StrategyChoice {
  if (!facts.replaces) return { strategy: 'side-by-side', why: 'no server has to make room' };
  if (asked === 'adapter-swap' && facts.swapObstacle !== null) throw swapImpossible(facts.swapObstacle);
  if (asked === 'sleep' && facts.sleepObstacle !== null) throw sleepImpossible(facts.sleepObstacle);
  if (asked !== 'auto') return { strategy: asked, why: 'asked for' };
  if (facts.swapObstacle === null)
    return { strategy: 'adapter-swap', why: 'the running server has the same base and takes the adapter alone' };
  const { strategy, why } = byMemory(facts);
  return { strategy, why: `no adapter swap: ${facts.swapObstacle}; ${why}` };
}

/** @throws MlxError USAGE */
export function readStrategy(flags: Record<string, unknown>): {
  strategy: AskedStrategy;
  maxHoldMs: number | undefined;
} {
  const { strategy = 'auto', maxHold } = flags as { strategy?: AskedStrategy; maxHold?: string };
  if (maxHold === undefined) return { strategy, maxHoldMs: undefined };
  const seconds = Number(maxHold);
  if (Number.isFinite(seconds) && seconds > 0) return { strategy, maxHoldMs: seconds * 1000 };
  throw new MlxError('USAGE', `--max-hold takes a number of seconds, not '${maxHold}'.`, {
    hint: 'For example: --max-hold 60',
  });
}

function byMemory({ memory, sleepObstacle }: SwitchFacts): StrategyChoice {
  if (memory === null) return { strategy: 'side-by-side', why: 'what the server uses could not be measured' };
  const { usedBytes, freeBytes, of } = memory;
  const place = of === 'gpu' ? 'on the GPU' : 'of memory';
  const figures = `a second server needs about ${gib(neededBytes(usedBytes))} (this one uses ${gib(usedBytes)}), ${gib(freeBytes)} ${place} are free`;
  if (neededBytes(usedBytes) <= freeBytes) return { strategy: 'side-by-side', why: figures };
  return sleepObstacle === null
    ? { strategy: 'sleep', why: `${figures}; this one can sleep meanwhile` }
    : { strategy: 'hold', why: `${figures}; no sleep: ${sleepObstacle}` };
}

/** What sleeps lies in the machine's memory, whole. Pure. */
export function sleepRoomObstacle(weightBytes: number | null, freeBytes: number): string | null {
  if (weightBytes === null) return 'the size of its weights is not known';
  if (weightBytes + marginBytes <= freeBytes) return null;
  return `its weights (${gib(weightBytes)}) do not fit into the ${gib(freeBytes)} of the machine's memory that are free`;
}

function gib(bytes: number): string {
  return `${(bytes / 2 ** 30).toFixed(1)} GiB`;
}

function sleepImpossible(why: string): MlxError {
  return new MlxError('STRATEGY_IMPOSSIBLE', `The server that runs cannot sleep: ${why}.`, {
    hint: 'Let mlx choose (leave --strategy out), or take --strategy hold',
  });
}

function swapImpossible(why: string): MlxError {
  return new MlxError('STRATEGY_IMPOSSIBLE', `The adapter cannot be loaded into the server that runs: ${why}.`, {
    hint: 'Let mlx choose (leave --strategy out), or take --strategy side-by-side',
  });
}
