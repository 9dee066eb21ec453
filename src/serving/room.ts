// Whether a server that has answered its first prompts has memory left for real ones. Pure but for the measuring.
import type { Engine, MemoryUse } from '../engine/engine.js';
import { MlxError } from '../errors.js';

const mib = 2 ** 20;
/** Of a container's limit: above it the next long request ends the server. */
const largestShare = 0.95;
const leastFreeBytes = 256 * mib;

/** @throws MlxError MEMORY_SHORT */
export async function requireRoom(
  engine: Pick<Engine, 'measureServer'>,
  server: { id: string; model: string; version: number },
): Promise<void> {
  const use = await engine.measureServer(server.id);
  const problem = use && roomProblem(use);
  if (!problem) return;
  throw new MlxError('MEMORY_SHORT', `${server.model}:${server.version} leaves too little memory: ${problem}.`, {
    hint: 'Lower serving.max_model_len in its recipe and package it again, or free memory; --strategy hold runs one server alone',
  });
}

/** A GPU is no matter here: vLLM takes its share of it beforehand, and leaves the rest. */
export function roomProblem({ usedBytes, limitBytes, freeBytes, of }: MemoryUse): string | undefined {
  if (of === 'gpu') return undefined;
  if (limitBytes !== null && usedBytes > limitBytes * largestShare)
    return `it uses ${inMib(usedBytes)} of the ${inMib(limitBytes)} that it may use`;
  if (freeBytes < leastFreeBytes)
    return `${inMib(freeBytes)} of the machine are free with it, at least ${inMib(leastFreeBytes)} should be`;
  return undefined;
}

function inMib(bytes: number): string {
  return `${Math.round(bytes / mib)} MiB`;
}
