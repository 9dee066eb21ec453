// Keeps a program from the network, and lets it die with mlx: both by small programs of util-linux that stand before it.
import type { Seal } from '../engine.js';
import { askProgram } from '../exec.js';

/** `network` and `life` are the words before the program's own: empty where the system offers no way. */
export type SealPlan = { seal: Extract<Seal, 'namespace' | 'environment'>; network: string[]; life: string[] };

/** A namespace of its own has no device that leads anywhere, and not even a loopback that is up. */
const namespaces = [
  ['unshare', '--net'],
  ['unshare', '--user', '--map-current-user', '--net'],
  ['unshare', '--user', '--map-root-user', '--net'],
];

/** SIGKILL from the kernel when mlx dies, however it dies. Linux only; elsewhere the next mlx finds what was left. */
const dieWithParent = ['setpriv', '--pdeathsig', 'KILL'];

const probed = new Map<string, Promise<SealPlan>>();

/** What this machine permits, asked once. */
export function sealPlan(environment: NodeJS.ProcessEnv): Promise<SealPlan> {
  const path = environment['PATH'] ?? '';
  const plan = probed.get(path) ?? probe(environment);
  probed.set(path, plan);
  return plan;
}

async function probe(environment: NodeJS.ProcessEnv): Promise<SealPlan> {
  if (process.platform !== 'linux') return { seal: 'environment', network: [], life: [] };
  // Only root may make a network namespace without a user namespace around it.
  const candidates = process.getuid?.() === 0 ? namespaces : namespaces.slice(1);
  const [network, life] = await Promise.all([
    firstThatRuns(candidates, environment),
    firstThatRuns([dieWithParent], environment),
  ]);
  return { seal: network.length > 0 ? 'namespace' : 'environment', network, life };
}

async function firstThatRuns(candidates: string[][], environment: NodeJS.ProcessEnv): Promise<string[]> {
  for (const words of candidates) {
    const [file = '', ...args] = words;
    const answer = await askProgram({ file, args: [...args, 'true'], environment });
    if (answer?.status === 0) return words;
  }
  return [];
}
