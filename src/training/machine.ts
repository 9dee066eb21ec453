// What of a machine can change the bytes of a training: processor, GPU, driver. Asks the driver; changes nothing.
import { availableParallelism, cpus } from 'node:os';

import { askProgram } from '../engine/exec.js';
import type { Lock } from '../recipe/lock.js';

export async function readMachine(environment: NodeJS.ProcessEnv, gpuAllowed: boolean): Promise<Lock['machine']> {
  const gpu = gpuAllowed ? await readGpu(environment) : undefined;
  return {
    platform: `${process.platform} ${process.arch}`,
    device: gpu === undefined ? 'cpu' : `cuda: ${gpu.name}`,
    driver: gpu?.driver ?? null,
    cuda: gpu?.cuda ?? null,
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    threads: availableParallelism(),
  };
}

type Gpu = { name: string; driver: string; cuda: string | null };

/** undefined when there is none, or none that this run may see. */
async function readGpu(environment: NodeJS.ProcessEnv): Promise<Gpu | undefined> {
  if (environment['CUDA_VISIBLE_DEVICES'] === '') return undefined;
  const ask = (...args: string[]) => askProgram({ file: 'nvidia-smi', args, environment });
  const answer = await ask('--query-gpu=name,driver_version', '--format=csv,noheader');
  const [first] = answer?.status === 0 ? answer.stdout.split('\n') : [];
  const [name, driver] = first?.split(', ') ?? [];
  if (name === undefined || driver === undefined) return undefined;
  const summary = await ask();
  return { name, driver, cuda: /CUDA Version:\s*([\d.]+)/.exec(summary?.stdout ?? '')?.[1] ?? null };
}
