// Keeps a program from the network, and lets it die with mlx: both by small programs of util-linux that stand before it.
import type { Seal } from '../engine.js';
import { askProgram } from '../exec.js';

/** `network` and `life` are the words before the program's own: empty where the system offers no way. */
export type SealPlan = { seal: Extract<Seal, 'namespace' | 'environment'>; network: string[]; life: string[] };

/** A namespace of its own has no device that leads anywhere, and not even a loopback that is up. */
const namespaces = [
  ['unshare', '--net'],
  // For all but root: inside, the program looks like root to itself; to everybody else it stays the person.
  ['unshare', '--user', '--map-root-user', '--net'],
];

/** SIGKILL from the kernel when mlx dies, however it dies. Linux only; elsewhere the next mlx finds what was left. */
const dieWithParent = ['setpriv', '--pdeathsig', 'KILL'];

/** SIOCSIFFLAGS with IFF_UP and IFF_RUNNING on `lo`: see netdevice(7). */
const raiseLoopback = `import fcntl, os, socket, struct, sys
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as lo:
    fcntl.ioctl(lo, 0x8914, struct.pack("16sh14x", b"lo", 0x41))
os.execvp(sys.argv[1], sys.argv[1:])`;

const probed = new Map<string, Promise<SealPlan>>();

/** What this machine permits, asked once. */
export function sealPlan(environment: NodeJS.ProcessEnv): Promise<SealPlan> {
  const path = environment['PATH'] ?? '';
  const plan = probed.get(path) ?? probe(environment);
  probed.set(path, plan);
  return plan;
}

/** Words between the namespace and a program whose own parts talk over the loopback. Nothing leads out of it all the same. */
export function loopbackWords(plan: SealPlan, python: string): string[] {
  return plan.seal === 'namespace' ? [python, '-I', '-c', raiseLoopback] : [];
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
