// What a run promises about its bytes, and the settings that the promise rests on. Pure.
import type { EngineKind } from '../engine/engine.js';
import type { Lock } from '../recipe/lock.js';
import type { Recipe } from '../recipe/schema.js';

/** Variables of the person's own that change how numbers are summed, or on how many threads. */
const numeric = /^(OMP_|MKL_|OPENBLAS_|TORCH_|PYTORCH_|CUDA_|CUBLAS_|NVIDIA_|NCCL_|ATEN_)/;

/** @param asked what mlx sets for the trainer; on the host the person's own variables come through as well */
export function determinismEnvironment(
  asked: Record<string, string>,
  own: NodeJS.ProcessEnv,
  engine: EngineKind,
): Record<string, string> {
  const inherited = engine === 'host' ? Object.entries(own).filter(([name]) => numeric.test(name)) : [];
  const set = Object.entries(asked).filter(([name]) => numeric.test(name) || decisive.has(name));
  return Object.fromEntries(
    [...inherited, ...set].flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  );
}

const decisive = new Set(['PYTHONHASHSEED', 'FLASH_ATTENTION_DETERMINISTIC', 'TOKENIZERS_PARALLELISM']);

export function determinismClass(
  { determinism }: Pick<Recipe, 'determinism'>,
  device: string,
): Pick<Lock['determinism'], 'class' | 'reason'> {
  if (determinism === 'fast') {
    return {
      class: 'within-tolerance',
      reason: 'determinism: fast lets kernels sum in any order, so two runs may differ in their last bits',
    };
  }
  if (device.startsWith('cuda')) {
    return {
      class: 'bit-exact',
      reason:
        'seeded before the model is built, deterministic kernels: the same bytes on the same GPU, driver and packages; another GPU is within a tolerance. A kernel without a deterministic form warns in the log of the run',
    };
  }
  return {
    class: 'bit-exact',
    reason:
      'seeded before the model is built, sums in one order whatever the threads: the same bytes on the same processor and packages; another processor is within a tolerance',
  };
}
