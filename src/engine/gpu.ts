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

export type GpuMemory = { freeBytes: number; bytesByPid: ReadonlyMap<number, number> };

const mib = 2 ** 20;

/** Of all GPUs together. undefined where the driver does not say. */
export async function gpuMemory(environment: NodeJS.ProcessEnv): Promise<GpuMemory | undefined> {
  const ask = (question: string) =>
    askProgram({ file: 'nvidia-smi', args: [question, '--format=csv,noheader,nounits'], environment });
  const [free, used] = await Promise.all([ask('--query-gpu=memory.free'), ask('--query-compute-apps=pid,used_memory')]);
  if (free?.status !== 0 || used?.status !== 0) return undefined;
  return readGpuMemory(free.stdout, used.stdout);
}

/** Pure. `[N/A]`, as some drivers say of a process, counts as unknown: undefined. */
export function readGpuMemory(free: string, used: string): GpuMemory | undefined {
  const freeMib = lines(free).map(Number);
  const apps = lines(used).map((line) => line.split(',').map(Number));
  const known = [...freeMib, ...apps.flat()].every(Number.isFinite) && freeMib.length > 0;
  if (!known) return undefined;
  const bytesByPid = new Map<number, number>();
  for (const [pid = 0, usedMib = 0] of apps) bytesByPid.set(pid, (bytesByPid.get(pid) ?? 0) + usedMib * mib);
  return { freeBytes: freeMib.reduce((sum, value) => sum + value, 0) * mib, bytesByPid };
}

/** What these processes use; undefined where none of them is on a GPU. */
export function gpuBytesOf({ bytesByPid }: GpuMemory, pids: readonly number[]): number | undefined {
  const used = pids.flatMap((pid) => bytesByPid.get(pid) ?? []);
  return used.length === 0 ? undefined : used.reduce((sum, bytes) => sum + bytes, 0);
}

function lines(text: string): string[] {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
}
