// The gateway as a part of the stack: one that runs, one that hangs, and one that is missed. Pure.
import { restartGateway, type GatewayState } from '../gateway/control-api.js';
import { nobody, type Part } from './status.js';

const here = { name: 'gateway', kind: 'gateway', engine: 'host' } as const;

export function runningGateway({ port, pid, startedAtMs }: Pick<GatewayState, 'port' | 'pid' | 'startedAtMs'>): Part {
  const address = `http://127.0.0.1:${port}/v1`;
  const runtime = `process ${pid}`;
  return { ...here, state: 'running', address, runtime, startedAtMs, lastLines: [], fix: undefined };
}

export function hungGateway(message: string): Part {
  return { ...here, ...nobody, state: 'unhealthy', lastLines: [message], fix: restartGateway };
}

/** Model servers run that routes lead to, and nobody routes: it was killed, or stopped by hand. */
export function missingGateway(
  routes: readonly { name: string; model: string; version: number; serverId: string }[],
  parts: readonly Part[],
): Part[] {
  const living = new Set(parts.filter(({ state }) => state !== 'exited').map(({ name }) => name));
  const waiting = routes.filter(({ serverId }) => living.has(serverId));
  if (waiting.length === 0) return [];
  const led = waiting.map(({ name, model, version }) => `${name} -> ${model}:${version}`).join(', ');
  const lastLines = [`Does not run; its model servers do: ${led}`];
  return [{ ...here, ...nobody, state: 'exited', lastLines, fix: 'mlx gateway start' }];
}
