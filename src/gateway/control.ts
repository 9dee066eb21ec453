// Commands talk to the running gateway through this: over its unix socket, which only its user can open.
import type { z } from 'zod';

import { isNobodyThere, localClient, type LocalClient, type LocalQuestion } from '../engine/local-client.js';
import { errorCode, isMlxError, MlxError } from '../errors.js';
import type { Route } from '../ledger/promotions.js';
import {
  controlPaths,
  controlSocket,
  gatewayRowsSchema,
  gatewayStateSchema,
  restartGateway,
  type GatewayRows,
  type GatewayState,
} from './control-api.js';

export type GatewayControl = {
  /** undefined when no gateway runs. @throws MlxError GATEWAY_HANGS, as each of these */
  state: () => Promise<GatewayState | undefined>;
  /**
   * Makes the gateway read the ledger's routes and waits for its word that the named one is now in use
   * (or gone, when `expected` is undefined).
   * @throws MlxError GATEWAY_DOWN, GATEWAY_STALE
   */
  confirmRoute: (name: string, expected: Route | undefined) => Promise<void>;
  /** Makes the gateway read the ledger's routes, holds and shares; mlx.yaml afterwards, if it was edited. undefined when none runs. */
  readRows: () => Promise<GatewayRows | undefined>;
  /** Makes the gateway read its routes, keys and mlx.yaml again. undefined when none runs. */
  reload: () => Promise<GatewayState | undefined>;
  /** The gateway takes no more requests, finishes open answers and ends. False when none runs. */
  requestStop: () => Promise<boolean>;
};

const answerTimeoutMs = 10_000;

/** For commands that can tell something without it: one that hangs must not hide all else. */
export async function askGateway(socketFolder: string): Promise<{ state?: GatewayState; hung?: MlxError }> {
  try {
    const state = await gatewayControl(socketFolder).state();
    return state ? { state } : {};
  } catch (error) {
    if (isMlxError(error, 'GATEWAY_HANGS')) return { hung: error };
    throw error;
  }
}

/** The same for a command that shows what the project's files know instead, and says so. */
export async function askGatewayOrNote(
  socketFolder: string,
  note: (line: string) => void,
): Promise<{ state?: GatewayState; gatewayRuns: boolean }> {
  const { state, hung } = await askGateway(socketFolder);
  if (hung) note(`${hung.message} What follows is read from the project's files. ${hung.hint ?? ''}`);
  return { ...(state && { state }), gatewayRuns: (state ?? hung) !== undefined };
}

export function gatewayControl(socketFolder: string): GatewayControl {
  const client = localClient(`unix:${controlSocket(socketFolder)}`);
  const readRows = () => call(client, post(controlPaths.readRows), 'read its routes', gatewayRowsSchema);
  return {
    state: () => call(client, { path: '/state' }, 'say how it is', gatewayStateSchema),
    readRows,
    confirmRoute: async (name, expected) => {
      const rows = await readRows();
      if (!rows) throw new MlxError('GATEWAY_DOWN', 'The gateway does not answer.', { hint: 'mlx gateway start' });
      const used = rows.routes.find((route) => route.name === name);
      if (used?.serverId === expected?.serverId && used?.updatedAtMs === expected?.updatedAtMs) return;
      throw new MlxError('GATEWAY_STALE', `The gateway did not take over the new route of ${name}.`, {
        hint: `Start it again: ${restartGateway}`,
      });
    },
    reload: () => call(client, post(controlPaths.reload), 'read its settings', gatewayStateSchema),
    requestStop: async () => (await call(client, post('/stop'), 'stop', gatewayStateSchema)) !== undefined,
  };
}

type Question = Pick<LocalQuestion, 'path' | 'method'>;

function post(path: string): Question {
  return { path, method: 'POST' };
}

/** @param what it is asked to do, should it not be able to */
async function call<Answer>(
  client: LocalClient,
  question: Question,
  what: string,
  schema: z.ZodType<Answer>,
): Promise<Answer | undefined> {
  try {
    const { status, text } = await client.ask({ ...question, timeoutMs: answerTimeoutMs });
    if (status < 300) return schema.parse(JSON.parse(text));
    throw new MlxError('GATEWAY_FAILED', `The gateway could not ${what}.`, {
      cause: text,
      hint:
        status === 404
          ? `One of an earlier mlx runs still: ${restartGateway}`
          : 'Its log says why: .mlx/run/gateway.log',
    });
  } catch (error) {
    if (isNobodyThere(error)) return undefined;
    if (errorCode(error) !== 'ETIMEDOUT') throw error;
    throw new MlxError('GATEWAY_HANGS', `The gateway runs, but did not answer within ${answerTimeoutMs / 1000} s.`, {
      cause: error,
      hint: `Start it again: ${restartGateway}`,
    });
  }
}
