// What cannot be done now, because its engine does not answer, must not stop the rest nor the command: it is told, and left to the next one.
import { errorMessage, MlxError } from '../errors.js';
import type { PromotionEdges } from './edges.js';

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
