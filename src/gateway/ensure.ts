// Makes sure that this project's gateway runs, detached from the command; and stops it. Touches .mlx/run/gateway.json,
// gateway.log, gateway.out and the control socket.
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

import { loadConfig } from '../config/load.js';
import type { Paths } from '../config/paths.js';
import { startDetached } from '../engine/detached.js';
import { engineVariables } from '../engine/docker/engine-variables.js';
import { endGroup } from '../engine/group.js';
import { lastText } from '../engine/lines.js';
import { withLock } from '../engine/lock.js';
import { ownerIsAlive } from '../engine/owner.js';
import { requireFreePort } from '../engine/port.js';
import { errorCode, isMlxError, MlxError } from '../errors.js';
import { gatewayOwnerFile, type GatewayState } from './control-api.js';
import { gatewayControl, type GatewayControl } from './control.js';
import { gatewayProgram } from './program.js';

export type GatewayEdges = {
  paths: Pick<Paths, 'project' | 'configFile' | 'run' | 'sockets'>;
  port: number;
  /** One that runs at another port is put there. Else it is used where its clients know it. */
  move: boolean;
  environment: NodeJS.ProcessEnv;
  /** A line for the person who waits. */
  note: (line: string) => void;
};

/** It may have a traffic log of an older mlx to convert: 5 s for a million rows. */
const startTimeoutMs = 10 * 60_000;
const longStartMs = 5_000;
const stopTimeoutMs = 90_000;
const mark = 'gateway';

/** Idempotent. @throws MlxError PORT_TAKEN, GATEWAY_FAILED */
export async function ensureGateway(edges: GatewayEdges): Promise<{ control: GatewayControl; state: GatewayState }> {
  const control = gatewayControl(edges.paths.sockets);
  const running = await control.state();
  if (running && staysThere(edges, running)) return { control, state: running };
  return alone(edges.paths, async () => {
    const found = await control.state();
    if (found && staysThere(edges, found)) return { control, state: found };
    // A move to a port that is taken would leave nothing.
    await requireFreePort(edges.port, 'The gateway', 'gateway.port');
    if (found) await endGateway(edges.paths, control);
    return { control, state: await startGateway(edges, control) };
  });
}

function staysThere({ port, move, note }: GatewayEdges, running: GatewayState): boolean {
  if (running.port === port) return true;
  if (move) return false;
  note(`The gateway runs at port ${running.port}, and stays there; ${port} is set now. To move it: mlx gateway start`);
  return true;
}

/** @returns false when none ran */
export async function stopGateway(paths: Pick<Paths, 'run' | 'sockets'>): Promise<boolean> {
  return alone(paths, () => endGateway(paths, gatewayControl(paths.sockets)));
}

/** One command at a time: a start that lost against another would otherwise come to life after a stop. */
function alone<Result>(paths: Pick<Paths, 'run'>, work: () => Promise<Result>): Promise<Result> {
  return withLock(join(paths.run, 'gateway.lock'), work);
}

async function startGateway(edges: GatewayEdges, control: GatewayControl): Promise<GatewayState> {
  const outFile = join(edges.paths.run, 'gateway.out');
  rmSync(outFile, { force: true });
  // The gateway itself writes down who it is, once the port is its own.
  const owner = await startDetached(await detachedProgram(edges, outFile), () => undefined);
  const saying = setTimeout(
    () => edges.note(`The gateway is still starting; what it says goes to ${outFile}`),
    longStartMs,
  );
  const state = await waitForState(control, owner).finally(() => clearTimeout(saying));
  if (state) return state;
  throw await startFailure(outFile);
}

async function endGateway(paths: Pick<Paths, 'run'>, control: GatewayControl): Promise<boolean> {
  const owner = readOwner(paths);
  const asked = await askToStop(control);
  const deadlineMs = Date.now() + stopTimeoutMs;
  while (owner !== undefined && asked && ownerIsAlive(owner) && Date.now() < deadlineMs) await pause(20);
  const ended = owner !== undefined && ownerIsAlive(owner) ? await endGroup(owner, mark, 2_000) : false;
  return asked || ended;
}

/** One that hangs cannot be asked, and another may not know how to. */
async function askToStop(control: GatewayControl): Promise<boolean> {
  try {
    return await control.requestStop();
  } catch (error) {
    if (isMlxError(error, 'GATEWAY_HANGS') || isMlxError(error, 'GATEWAY_FAILED')) return false;
    throw error;
  }
}

async function detachedProgram(edges: GatewayEdges, outFile: string) {
  const { upstreams } = await loadConfig(edges.paths, edges.environment);
  const keyVariables = upstreams.flatMap(({ key }) => (key && 'variable' in key ? [key.variable] : []));
  const { project } = edges.paths;
  const [file, ...program] = gatewayProgram();
  return {
    file,
    args: [...program, 'gateway', 'start', '--foreground', '--port', String(edges.port), '--project', project],
    environment: gatewayEnvironment(edges.environment, keyVariables),
    folder: project,
    mark,
    logFile: outFile,
  };
}

const generalVariables = ['PATH', 'HOME', 'TMPDIR', 'XDG_RUNTIME_DIR', 'NODE_EXTRA_CA_CERTS'];

/**
 * Of the secrets around it, the gateway gets those alone that mlx.yaml names as keys of upstreams. The Engine's name it gets because the
 * commands that it starts (registry/revive.ts) have to find the same one. Pure.
 */
export function gatewayEnvironment(
  environment: NodeJS.ProcessEnv,
  keyVariables: readonly string[],
): Record<string, string> {
  const wanted = new Set([...generalVariables, ...engineVariables, ...keyVariables]);
  return Object.fromEntries(
    Object.entries(environment).flatMap(([name, value]) =>
      value !== undefined && (wanted.has(name) || name.startsWith('MLX_')) ? [[name, value] as const] : [],
    ),
  );
}

/** One that was started by hand at the same moment answers too; ours then ends by itself, for want of the port. */
async function waitForState(control: GatewayControl, owner: string): Promise<GatewayState | undefined> {
  const deadlineMs = Date.now() + startTimeoutMs;
  while (Date.now() < deadlineMs) {
    const state = await control.state();
    if (state) return state;
    if (!ownerIsAlive(owner)) return control.state();
    await pause(20);
  }
  return undefined;
}

async function startFailure(outFile: string): Promise<MlxError> {
  const lines = await lastText(outFile, 10);
  return new MlxError('GATEWAY_FAILED', `The gateway did not start.${lines === '' ? '' : ` It said:\n${lines}`}`, {
    hint: 'Run it in front of you to see more: mlx gateway start --foreground',
  });
}

function readOwner(paths: Pick<Paths, 'run'>): string | undefined {
  try {
    const { owner } = JSON.parse(readFileSync(gatewayOwnerFile(paths.run), 'utf8')) as { owner?: string };
    return owner;
  } catch (error) {
    if (errorCode(error) === 'ENOENT' || error instanceof SyntaxError) return undefined;
    throw error;
  }
}
