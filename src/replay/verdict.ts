// How close a replay came to its lock, and what that is called. Pure.
import type { Lock } from '../recipe/lock.js';
import type { TensorDistance } from './tensors.js';

export type Verdict = 'identical' | 'equivalent' | 'different';

export type ScoreDifference = { key: string; locked: number; replayed: number; difference: number };

export type Comparison = {
  verdict: Verdict;
  /** Why it is not identical, in words; empty when it is. */
  reasons: string[];
  tolerance: number;
  adapter: { locked: string; replayed: string; equal: boolean };
  /** null: equal anyway, or the weights of the lock are not on this machine. */
  tensors: TensorDistance | null;
  lossCurve: { points: number; difference: number; step: number | null };
  scores: ScoreDifference[];
};

/**
 * `identical`: the same bytes, losses and scores within the tolerance. `equivalent`: every tensor's largest difference, every
 * loss and every score within the tolerance, every cosine at least 1 - tolerance.
 * @param tensors null when the hashes are equal, or when the weights of the lock are gone
 */
export function compareResults(
  locked: Lock['results'],
  replayed: Lock['results'],
  tensors: TensorDistance | null,
  tolerance: number,
): Comparison {
  const equal = locked.adapter_sha256 === replayed.adapter_sha256;
  const lossCurve = compareCurves(locked.loss_curve, replayed.loss_curve);
  const scores = compareScores(locked.scores, replayed.scores);
  const tooFar = [
    ...(equal || tensors === null ? [] : tensorsTooFar(tensors, tolerance)),
    ...(lossCurve.difference > tolerance ? [curveTooFar(lossCurve)] : []),
    ...scores.filter(({ difference }) => difference > tolerance).map(scoreTooFar),
  ];
  const close = equal ? [] : [closeness(tensors)];
  return {
    verdict: tooFar.length > 0 ? 'different' : equal ? 'identical' : 'equivalent',
    reasons: tooFar.length > 0 ? tooFar : close,
    tolerance,
    adapter: { locked: locked.adapter_sha256, replayed: replayed.adapter_sha256, equal },
    tensors,
    lossCurve,
    scores,
  };
}

function compareCurves(
  locked: Lock['results']['loss_curve'],
  replayed: Lock['results']['loss_curve'],
): Comparison['lossCurve'] {
  const lossAt = new Map(replayed);
  const steps = new Set([...locked, ...replayed].map(([step]) => step));
  let worst: Comparison['lossCurve'] = { points: steps.size, difference: 0, step: null };
  for (const [step, loss] of locked) {
    const other = lossAt.get(step);
    const difference = other === undefined ? Infinity : Math.abs(loss - other);
    if (difference > worst.difference) worst = { ...worst, difference, step };
    lossAt.delete(step);
  }
  const [extra] = lossAt.keys();
  return extra === undefined ? worst : { ...worst, difference: Infinity, step: extra };
}

function compareScores(locked: Record<string, number>, replayed: Record<string, number>): ScoreDifference[] {
  const keys = [...new Set([...Object.keys(locked), ...Object.keys(replayed)])].sort();
  return keys.map((key) => {
    const [then, now] = [locked[key] ?? NaN, replayed[key] ?? NaN];
    const difference = Math.abs(then - now);
    return { key, locked: then, replayed: now, difference: Number.isNaN(difference) ? Infinity : difference };
  });
}

function tensorsTooFar({ unlike, largest, least }: TensorDistance, tolerance: number): string[] {
  return [
    ...unlike
      .slice(0, 1)
      .map((name) => `${unlike.length} tensors are of another shape or only on one side, first ${name}`),
    ...(largest.difference > tolerance ? [`${largest.tensor} differs by ${amount(largest.difference)}`] : []),
    ...(least.cosine < 1 - tolerance ? [`${least.tensor} points another way (cosine ${least.cosine.toFixed(6)})`] : []),
  ];
}

function closeness(tensors: TensorDistance | null): string {
  if (tensors === null)
    return 'the weights of the lock are not on this machine: loss curve and scores were compared alone';
  const { largest, least } = tensors;
  return `largest difference ${amount(largest.difference)} (${largest.tensor}), least cosine ${least.cosine.toFixed(6)}`;
}

function curveTooFar({ difference, step }: Comparison['lossCurve']): string {
  if (difference === Infinity) return `the loss curves have different steps, first step ${step ?? 0}`;
  return `the loss at step ${step ?? 0} differs by ${amount(difference)}`;
}

function scoreTooFar({ key, locked, replayed }: ScoreDifference): string {
  return `${key} was ${amount(locked)} and is ${amount(replayed)}`;
}

function amount(value: number): string {
  return String(Number(value.toPrecision(4)));
}
