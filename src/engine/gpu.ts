// Whether this machine has an NVIDIA GPU that its driver can use, and who uses how much of its memory.
import { askProgram } from './exec.js';

let seen: Promise<boolean> | undefined;

/** Asked once. */
export function seesGpu(environment: NodeJS.ProcessEnv): Promise<boolean> {
  seen ??= askProgram({ file: 'nvidia-smi', args: ['--list-gpus'], environment }).then(
    (answer) => answer?.status === 0 && answer.stdout.startsWith('GPU '),
  );
  return seen;
}

/** By the GPU's uuid, and on it by process. */
export type GpuMemory = ReadonlyMap<string, { freeBytes: number; bytesByPid: ReadonlyMap<number, number> }>;

const mib = 2 ** 20;

/** undefined where the driver does not say. */
export async function gpuMemory(environment: NodeJS.ProcessEnv): Promise<GpuMemory | undefined> {
  const ask = (question: string) =>
    askProgram({ file: 'nvidia-smi', args: [question, '--format=csv,noheader,nounits'], environment });
  const [free, used] = await Promise.all([
    ask('--query-gpu=uuid,memory.free'),
    ask('--query-compute-apps=gpu_uuid,pid,used_memory'),
  ]);
  if (free?.status !== 0 || used?.status !== 0) return undefined;
  return readGpuMemory(free.stdout, used.stdout);
}

/** Pure. `[N/A]`, as some drivers say of a process, counts as unknown: undefined. */
export function readGpuMemory(free: string, used: string): GpuMemory | undefined {
  const gpus = new Map<string, { freeBytes: number; bytesByPid: Map<number, number> }>();
  for (const [uuid, freeMib] of rows(free)) gpus.set(uuid, { freeBytes: Number(freeMib) * mib, bytesByPid: new Map() });
  const apps = rows(used).map(([uuid, pid, usedMib]) => ({ uuid, pid: Number(pid), bytes: Number(usedMib) * mib }));
  const numbers = [
    ...[...gpus.values()].map(({ freeBytes }) => freeBytes),
    ...apps.flatMap((app) => [app.pid, app.bytes]),
  ];
  if (gpus.size === 0 || !numbers.every(Number.isFinite)) return undefined;
  for (const { uuid, pid, bytes } of apps) {
    const onIt = gpus.get(uuid)?.bytesByPid;
    onIt?.set(pid, (onIt.get(pid) ?? 0) + bytes);
  }
  return gpus;
}

/**
 * What these processes use of their GPU, and what is free on it: another GPU's memory is of no use to a second server beside them. Of
 * several GPUs the one with the least left over. undefined where none of them is on a GPU. Pure.
 */
export function gpuUseOf(
  gpus: GpuMemory,
  pids: readonly number[],
): { usedBytes: number; freeBytes: number } | undefined {
  const uses = [...gpus.values()].flatMap(({ freeBytes, bytesByPid }) => {
    const used = pids.flatMap((pid) => bytesByPid.get(pid) ?? []);
    return used.length === 0 ? [] : [{ usedBytes: used.reduce((sum, bytes) => sum + bytes, 0), freeBytes }];
  });
  return uses.sort((one, other) => one.freeBytes - one.usedBytes - (other.freeBytes - other.usedBytes))[0];
}

function rows(text: string): [string, ...string[]][] {
  return lines(text).map((line) => {
    const [first = '', ...others] = line.split(',').map((field) => field.trim());
    return [first, ...others];
  });
}

function lines(text: string): string[] {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
}
