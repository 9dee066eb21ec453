// Which network a container gets: none at all, Docker's bridge, or the machine's own where an address says so.
import type { JobNetwork } from '../engine.js';

export type ContainerNetwork = 'none' | 'bridge' | 'host';

const addressNames = ['HF_ENDPOINT', 'HTTP_PROXY', 'HTTPS_PROXY', 'ALL_PROXY'];

/** A hub or proxy that listens on this machine's loopback is out of a bridge's reach. Pure. */
export function containerNetwork(network: JobNetwork, environment: NodeJS.ProcessEnv): ContainerNetwork {
  if (network === 'none') return 'none';
  const values = addressNames.flatMap((name) => [environment[name], environment[name.toLowerCase()]]);
  return values.some(isLoopbackUrl) ? 'host' : 'bridge';
}

export function isLoopbackUrl(value: string | undefined): boolean {
  if (value === undefined || value === '') return false;
  const address = value.includes('://') ? value : `http://${value}`;
  if (!URL.canParse(address)) return false;
  const { hostname } = new URL(address);
  return hostname === 'localhost' || hostname.endsWith('.localhost') || /^(127\.|\[::1\]$)/.test(hostname);
}
