// Whether the Engine can hand a GPU to a container, and by which of its two ways. Pure.

/** `nvidia`: the NVIDIA runtime of the container toolkit; `cdi`: a device file that the toolkit wrote. */
export type DockerGpu = 'nvidia' | 'cdi';

type EngineInformation = {
  Runtimes?: Record<string, unknown>;
  /** Since Engine 28. */
  DiscoveredDevices?: { Source?: string; ID?: string }[] | null;
};

export function dockerGpu(information: EngineInformation): DockerGpu | undefined {
  if (information.Runtimes?.['nvidia'] !== undefined) return 'nvidia';
  const devices = information.DiscoveredDevices ?? [];
  return devices.some((device) => device.ID?.startsWith('nvidia.com/gpu=')) ? 'cdi' : undefined;
}
