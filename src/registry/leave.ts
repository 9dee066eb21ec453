// What cannot be done now, because its engine does not answer, must not stop the rest nor the command: it is told, and left to the next one.
import { errorMessage, MlxError } from '../errors.js';
import type { PromotionEdges } from './edges.js';

/** `whole`: nothing was left. */
export type Done<Value> = { done: Value[]; whole: boolean };

/** One after the other. @param what a sentence: what is left of it. @param work gives undefined where there is nothing to do */
export async function eachOrLeave<Item, Value>(
  edges: Pick<PromotionEdges, 'onNote'>,
  items: readonly Item[],
  what: (item: Item) => string,
  work: (item: Item) => Promise<Value | undefined>,
): Promise<Done<Value>> {
  const done: Value[] = [];
  let whole = true;
  for (const item of items) {
    const kept = await doOrLeave(edges, what(item), () => work(item));
    if (kept === undefined) whole = false;
    else if (kept.value !== undefined) done.push(kept.value);
  }
  return { done, whole };
}

/** @param what a sentence: what is left. @returns undefined where it is left */
export async function doOrLeave<Value>(
  { onNote }: Pick<PromotionEdges, 'onNote'>,
  what: string,
  work: () => Promise<Value>,
): Promise<{ value: Value } | undefined> {
  try {
    return { value: await work() };
  } catch (error) {
    const next = error instanceof MlxError && error.hint !== undefined ? ` ${error.hint}` : '';
    onNote(`${what} ${errorMessage(error)}${next}`);
    return undefined;
  }
}
