// Commands talk to the running gateway through this: over its unix socket, which only its user can open.
import { Client } from 'undici';

import { errorCode, MlxError } from '../errors.js';
import type { Route } from '../ledger/promotions.js';
import { controlSocket, gatewayStateSchema, type GatewayState } from './control-api.js';

export type GatewayControl = {
  /** undefined when no gateway runs. */
  state: () => Promise<GatewayState | undefined>;
  /**
   * Makes the gateway read the ledger's routes and waits for its word that the named one is now in use
   * (or gone, when `expected` is undefined).
   * @throws MlxError GATEWAY_DOWN, GATEWAY_STALE
   */
  reload: (name: string, expected: Route | undefined) => Promise<void>;
  /** Makes the gateway read its routes, keys and mlx.yaml again. undefined when none runs. */
  refresh: () => Promise<GatewayState | undefined>;
  /** The gateway takes no more requests, finishes open answers and ends. False when none runs. */
  requestStop: () => Promise<boolean>;
};

/** Codes of a socket that nobody listens on. */
const downCodes = new Set(['ENOENT', 'ECONNREFUSED', 'ECONNRESET', 'UND_ERR_SOCKET']);
const answerTimeoutMs = 10_000;

export function gatewayControl(socketFolder: string): GatewayControl {
  const socketPath = controlSocket(socketFolder);
  return {
    state: () => call(socketPath, 'GET', '/state'),
    reload: async (name, expected) => {
      const state = await call(socketPath, 'POST', '/reload');
      if (!state) throw new MlxError('GATEWAY_DOWN', 'The gateway does not answer.', { hint: 'mlx gateway start' });
      const used = state.routes.find((route) => route.name === name);
      if (used?.serverId === expected?.serverId && used?.updatedAtMs === expected?.updatedAtMs) return;
      throw new MlxError('GATEWAY_STALE', `The gateway did not take over the new route of ${name}.`, {
        hint: 'Start it again: mlx gateway stop && mlx gateway start',
      });
    },
    refresh: () => call(socketPath, 'POST', '/reload'),
    requestStop: async () => (await call(socketPath, 'POST', '/stop')) !== undefined,
  };
}

async function call(socketPath: string, method: 'GET' | 'POST', path: string): Promise<GatewayState | undefined> {
  const client = new Client('http://localhost', { socketPath, connectTimeout: answerTimeoutMs });
  try {
    const answer = await client.request({ method, path, headersTimeout: answerTimeoutMs });
    const value: unknown = await answer.body.json();
    if (answer.statusCode < 300) return gatewayStateSchema.parse(value);
    throw new MlxError('GATEWAY_FAILED', `The gateway could not do ${path.slice(1)}.`, {
      cause: value,
      hint: 'Its log says why: .mlx/run/gateway.log',
    });
  } catch (error) {
    if (downCodes.has(errorCode(error) ?? '')) return undefined;
    throw error;
  } finally {
    await client.destroy();
  }
}
