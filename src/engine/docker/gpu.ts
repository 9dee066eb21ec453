// Whether the Engine can hand a GPU to a container, and by which of its two ways. Pure.
import type { EngineInformation } from './connection.js';

/** `nvidia`: the NVIDIA runtime of the container toolkit; `cdi`: a device file that the toolkit wrote. */
export type DockerGpu = 'nvidia' | 'cdi';

export function dockerGpu(
  information: Pick<EngineInformation, 'Runtimes' | 'DiscoveredDevices'>,
): DockerGpu | undefined {
  if (information.Runtimes?.['nvidia'] !== undefined) return 'nvidia';
  const devices = information.DiscoveredDevices ?? [];
  return devices.some((device) => device.ID?.startsWith('nvidia.com/gpu=')) ? 'cdi' : undefined;
}

/** The Compose file that is laid over train.yaml or serve.yaml. */
export function gpuFiles(gpu: DockerGpu | undefined): string[] {
  if (gpu === undefined) return [];
  return gpu === 'nvidia' ? ['gpu.yaml'] : ['gpu-cdi.yaml'];
}
