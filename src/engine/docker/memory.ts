// The memory limit of a container: the whole machine's but for a rest, so that a job that grows too large ends alone.
import { engineInformation, type Connection } from './connection.js';

const gib = 2 ** 30;
const keptFreeBytes = gib;

export async function memoryLimitBytes(connection: Connection, configuredGib?: number): Promise<number> {
  const { MemTotal: machineBytes = 0 } = await engineInformation(connection);
  return limitBytes(machineBytes, configuredGib);
}

/** Pure. 0 is no limit: the Engine does not say how much there is. */
export function limitBytes(machineBytes: number, configuredGib?: number): number {
  if (configuredGib !== undefined) return Math.round(configuredGib * gib);
  return machineBytes === 0 ? 0 : Math.max(machineBytes - keptFreeBytes, Math.floor(machineBytes / 2));
}
