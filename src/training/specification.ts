// What the trainer is told: spec.json, its command line, its environment; and the same as flat params for people. Pure.
import type { Job } from '../engine/engine.js';
import type { Recipe } from '../recipe/schema.js';
import type { RunFolder } from './run-folder.js';

/** As docs/trainer-contract.md has it. */
export type TrainerSpecification = {
  schema: 1;
  run_id: string;
  /** What adapter_config.json calls the base: its repository, never a path of this machine. */
  base_model: string;
  method: Recipe['method'];
  seed: number;
  determinism: Recipe['determinism'];
  lora: Recipe['lora'];
  trainer: Recipe['trainer'];
  evaluation: Recipe['evaluation'];
};

export function trainerSpecification(runId: string, recipe: Recipe): TrainerSpecification {
  const { base_model: base, method, seed, determinism, lora, trainer, evaluation } = recipe;
  const baseModel = 'repository' in base ? base.repository : 'base';
  return { schema: 1, run_id: runId, base_model: baseModel, method, seed, determinism, lora, trainer, evaluation };
}

export type TrainerJobRequest = {
  runId: string;
  folder: RunFolder;
  /** Folder of the verified base model. */
  baseModel: string;
  determinism: Recipe['determinism'];
  gpu: boolean;
  resume: boolean;
  /** Instead of today's runtime. */
  runtimeId?: string | undefined;
  /** The person's own environment: which GPUs are to be seen stays their choice. */
  environment: NodeJS.ProcessEnv;
};

export function trainerJob(request: TrainerJobRequest): Job {
  const { runId, folder, baseModel, gpu, resume, runtimeId } = request;
  const argv = ['train.py', '--spec', '{spec}', '--model', '{model}', '--data', '{data}', '--out', '{out}'];
  return {
    id: runId,
    runtime: 'trainer',
    ...(runtimeId === undefined ? {} : { runtimeId }),
    argv: resume ? [...argv, '--resume'] : argv,
    mounts: [
      { name: 'spec', source: folder.spec, writable: false },
      { name: 'model', source: baseModel, writable: false },
      { name: 'data', source: folder.data, writable: false },
      { name: 'out', source: folder.out, writable: true },
    ],
    environment: trainerEnvironment(request),
    network: 'none',
    gpu,
  };
}

/** Set before the interpreter starts: Python's hash seed and cuBLAS' workspace cannot be set later. */
export function trainerEnvironment({
  determinism,
  environment,
}: Pick<TrainerJobRequest, 'determinism' | 'environment'>): Record<string, string> {
  const devices = environment['CUDA_VISIBLE_DEVICES'];
  return {
    PYTHONHASHSEED: '0',
    PYTHONUNBUFFERED: '1',
    // Forked data workers deadlock with the tokenizer's threads, and their number must not change the result.
    TOKENIZERS_PARALLELISM: 'false',
    HF_HUB_OFFLINE: '1',
    TRANSFORMERS_OFFLINE: '1',
    HF_DATASETS_OFFLINE: '1',
    HF_HUB_DISABLE_TELEMETRY: '1',
    DO_NOT_TRACK: '1',
    // CUDA_LAUNCH_BLOCKING is left out on purpose: it slows a GPU down and changes no result.
    ...(determinism === 'bit-exact' ? { CUBLAS_WORKSPACE_CONFIG: ':4096:8', FLASH_ATTENTION_DETERMINISTIC: '1' } : {}),
    ...(devices === undefined ? {} : { CUDA_VISIBLE_DEVICES: devices }),
  };
}

/** `lora.r` -> `16`: one flat text per setting, the form of the ledger and of MLflow. */
export function recipeParams(recipe: Recipe, base: { repository: string; commit: string }): Record<string, string> {
  return flatSettings(recipe, base);
}

/** The same of the recipe alone, as it was written: the form of the lock. */
export function recipeSettings(recipe: Recipe): Record<string, string> {
  return flatSettings(recipe, recipe.base_model);
}

function flatSettings(recipe: Recipe, base: Record<string, string>): Record<string, string> {
  const { model, method, seed, determinism, dataset, lora, trainer, evaluation, serving } = recipe;
  return flatten({
    model,
    method,
    seed,
    determinism,
    base_model: base,
    dataset,
    ...(method === 'full' ? {} : { lora }),
    trainer,
    evaluation,
    serving,
  });
}

function flatten(settings: Record<string, unknown>, prefix = ''): Record<string, string> {
  const params: Record<string, string> = {};
  for (const [key, value] of Object.entries(settings)) {
    const path = `${prefix}${key}`;
    if (value === null) params[path] = 'all';
    else if (Array.isArray(value)) params[path] = value.join(', ');
    else if (typeof value === 'object') Object.assign(params, flatten(value as Record<string, unknown>, `${path}.`));
    else if (typeof value === 'string') params[path] = value;
    else if (value !== undefined) params[path] = JSON.stringify(value);
  }
  return params;
}
