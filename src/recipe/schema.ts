// A recipe: what to train, from what, and how it is judged. Strict; names of LoRA and trainer settings are PEFT's and TRL's own.
import { z } from 'zod';

import { modelNamePattern, modelNameRule } from '../config/model-name.js';

const name = z
  .string()
  .regex(/^[a-z0-9][a-z0-9._-]{0,62}$/, 'lower case letters, digits, dot, dash and underscore, at most 63');
const files = z.union([z.string().min(1), z.array(z.string().min(1)).min(1)]);

const baseModel = z.union([
  z.strictObject({
    repository: z
      .string()
      .regex(/^[\w.-]+\/[\w.-]+$/, 'ORG/NAME')
      .describe('Hugging Face repository; mlx/demo-base is made on this machine'),
    revision: z.string().min(1).default('main').describe('Commit, tag or branch; the run records the commit'),
  }),
  z.strictObject({ path: z.string().min(1).describe('A local model folder instead') }),
]);

const lora = z.strictObject({
  r: z.int().positive().default(16).describe('Rank: higher learns more and takes more memory'),
  lora_alpha: z.number().positive().default(32).describe('Scale of the adapter; often twice the rank'),
  lora_dropout: z.number().min(0).max(1).default(0),
  target_modules: z.union([z.string(), z.array(z.string()).min(1)]).default('all-linear'),
  use_rslora: z.boolean().default(false),
});

const trainer = z.strictObject({
  num_train_epochs: z.number().positive().default(3),
  max_steps: z
    .union([z.literal(-1), z.int().min(1)])
    .default(-1)
    .describe('Stops after so many steps; -1: by epochs'),
  learning_rate: z.number().positive().default(0.0002),
  lr_scheduler_type: z.enum(['linear', 'cosine', 'constant', 'constant_with_warmup']).default('cosine'),
  warmup_steps: z.number().min(0).default(0.03).describe('Below 1: share of all steps'),
  per_device_train_batch_size: z.int().positive().default(8),
  gradient_accumulation_steps: z.int().positive().default(1),
  max_length: z.int().positive().default(1024).describe('Longer rows are cut, in tokens'),
  weight_decay: z.number().min(0).default(0),
  max_grad_norm: z.number().min(0).default(1).describe('Longer gradients are cut to this length; 0: never'),
  optim: z
    .string()
    .min(1)
    .optional()
    .describe("Optimiser by transformers' name, for example paged_adamw_8bit; default: AdamW"),
  packing: z.boolean().default(false),
  gradient_checkpointing: z.boolean().default(false).describe('Less memory, about 30 % slower'),
  bf16: z.boolean().default(true),
  logging_steps: z.int().positive().default(5),
  save_steps: z.int().positive().default(100).describe('A checkpoint to resume from, every so many steps'),
});

const evaluation = z.strictObject({
  max_new_tokens: z.int().positive().default(128),
  batch_size: z.int().positive().default(32),
  limit: z.int().positive().nullable().default(null).describe('Score only so many held-out rows; null: all'),
  examples: z.int().min(0).max(20).default(3).describe('Answers shown side by side after the run'),
});

const serving = z.strictObject({
  max_model_len: z.int().positive().default(2048).describe('Longest prompt plus answer, in tokens'),
  gpu_memory_utilization: z.number().gt(0).max(1).default(0.9).describe('Share of the GPU memory that vLLM takes'),
});

export const recipeSchema = z.strictObject({
  name: name.optional().describe('Default: the file name'),
  model: z
    .string()
    .regex(modelNamePattern, modelNameRule)
    .optional()
    .describe('The model that versions of this recipe belong to; default: the name'),
  description: z.string().optional(),
  base_model: baseModel,
  dataset: z.strictObject({
    train: files.describe('JSONL, CSV or Parquet; one file or several'),
    held_out: z
      .union([files, z.number().gt(0).lt(1)])
      .default(0.1)
      .describe('Files, or the share of the rows to hold out'),
    format: z.enum(['auto', 'messages', 'prompt_completion', 'instruction']).default('auto'),
    prompt: name.optional().describe('Of prompts/: rows hold its variables and a completion, instead of a format'),
  }),
  method: z.enum(['lora', 'qlora', 'dora', 'full']).default('lora'),
  seed: z.int().min(0).default(42),
  determinism: z.enum(['bit-exact', 'fast']).default('bit-exact'),
  lora: lora.prefault({}),
  trainer: trainer.prefault({}),
  evaluation: evaluation.prefault({}),
  serving: serving.prefault({}),
});

/** As in the YAML file, defaults filled in. `lora`, `trainer` and `serving` go on as they are: their names are other projects'. */
export type RecipeFile = z.infer<typeof recipeSchema>;

export type Recipe = Omit<RecipeFile, 'name' | 'model'> & {
  name: string;
  model: string;
  /** Absolute path of the YAML file. Paths in the recipe are relative to the project folder. */
  file: string;
};
