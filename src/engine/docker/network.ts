// Which network a container gets: none at all, Docker's bridge, or the machine's own where an address says so.
import type { JobNetwork } from '../engine.js';

export type ContainerNetwork = 'none' | 'bridge' | 'host';

export const proxyAddressNames = ['HTTP_PROXY', 'HTTPS_PROXY', 'ALL_PROXY'];

/** A hub or proxy that listens on this machine's loopback is out of a bridge's reach. Pure. */
export function containerNetwork(network: JobNetwork, environment: NodeJS.ProcessEnv): ContainerNetwork {
  if (network === 'none') return 'none';
  return hasLoopbackAddress(environment, ['HF_ENDPOINT', ...proxyAddressNames]) ? 'host' : 'bridge';
}

export function hasLoopbackAddress(environment: NodeJS.ProcessEnv, names: readonly string[]): boolean {
  return names.some((name) => isLoopbackUrl(environment[name]) || isLoopbackUrl(environment[name.toLowerCase()]));
}

function isLoopbackUrl(value: string | undefined): boolean {
  if (value === undefined || value === '') return false;
  const address = value.includes('://') ? value : `http://${value}`;
  if (!URL.canParse(address)) return false;
  const { hostname } = new URL(address);
  return hostname === 'localhost' || hostname.endsWith('.localhost') || /^(127(\.\d+){3}|\[::1\])$/.test(hostname);
}
