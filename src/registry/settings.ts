// settings.json of a model version: what its server must know, fixed when it was packaged.
import { readFileSync } from 'node:fs';

import { z } from 'zod';

import { errorCode, MlxError } from '../errors.js';
import { runParams } from '../ledger/metrics.js';
import type { Ledger } from '../ledger/open.js';
import type { Run } from '../ledger/runs.js';
import type { ModelVersion } from '../ledger/versions.js';

/** As in the file: snake_case, versioned by `schema`. */
const settingsSchema = z.object({
  schema: z.literal(1),
  model: z.string(),
  version: z.number(),
  method: z.string(),
  adapter: z.boolean(),
  max_lora_rank: z.number(),
  max_model_len: z.number(),
  gpu_memory_utilization: z.number(),
  base_model: z.object({ repository: z.string(), commit: z.string() }),
});

export type ServingSettings = z.infer<typeof settingsSchema>;

/** The part of the run's recipe.json that serving needs. */
const recipeSchema = z.object({
  lora: z.object({ r: z.number() }),
  serving: z.object({ max_model_len: z.number(), gpu_memory_utilization: z.number() }),
});

/** vLLM takes no rank between these (vllm.config.lora, version 0.32). */
const loraRanks = [1, 8, 16, 32, 64, 128, 256, 320, 512];

export function modelOf(ledger: Ledger, run: Run): string {
  return runParams(ledger, run.id)['model'] ?? run.recipe;
}

export function servingSettings(
  run: Run,
  recipeFile: string,
  { model, version }: { model: string; version: number },
): ServingSettings {
  const { lora, serving } = readRunRecipe(run, recipeFile);
  return {
    schema: 1,
    model,
    version,
    method: run.method,
    adapter: run.method !== 'full',
    max_lora_rank: loraRanks.find((rank) => rank >= lora.r) ?? lora.r,
    max_model_len: serving.max_model_len,
    gpu_memory_utilization: serving.gpu_memory_utilization,
    base_model: { repository: run.baseModel, commit: run.baseCommit },
  };
}

/** What of the settings the engine's server takes. */
export function serverSettings(version: ModelVersion): Record<string, string | number | boolean> {
  const { adapter, max_lora_rank, max_model_len, gpu_memory_utilization } = readSettings(version);
  return { adapter, max_lora_rank, max_model_len, gpu_memory_utilization };
}

/**
 * Why the adapter of one version cannot go into a server that was started for another one; null: it can. Pure.
 * What the engine knows (images, mounts) it says itself.
 */
export function settingsObstacle(startedFor: ModelVersion, candidate: ModelVersion): string | null {
  const [own, other] = [readSettings(startedFor), readSettings(candidate)];
  const names = `${startedFor.model}:${startedFor.version}`;
  if (!own.adapter || !other.adapter) return 'one of the two is no adapter but a whole model';
  if (startedFor.baseModel !== candidate.baseModel || startedFor.baseCommit !== candidate.baseCommit)
    return `it was started for ${names}, which has another base model`;
  if (other.max_lora_rank > own.max_lora_rank)
    return `it was started for ${names} and has room for rank ${own.max_lora_rank}, not ${other.max_lora_rank}`;
  if (own.max_model_len !== other.max_model_len)
    return `it was started for ${names} with a window of ${own.max_model_len} tokens, not ${other.max_model_len}`;
  return own.gpu_memory_utilization === other.gpu_memory_utilization
    ? null
    : `it was started for ${names} with another share of the GPU's memory`;
}

function readSettings({ settings }: ModelVersion): ServingSettings {
  return settingsSchema.parse(JSON.parse(settings));
}

function readRunRecipe(run: Run, file: string): z.infer<typeof recipeSchema> {
  try {
    return recipeSchema.parse(JSON.parse(readFileSync(file, 'utf8')));
  } catch (error) {
    const why = errorCode(error) === 'ENOENT' ? 'is gone' : 'cannot be read';
    throw new MlxError('RUN_INCOMPLETE', `${file}, which says how ${run.id} was trained, ${why}.`, {
      cause: error,
      hint: `Train again: mlx train ${run.recipe}`,
    });
  }
}
