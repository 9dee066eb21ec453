// The steps of a switch in which a server sleeps instead of being stopped: its weights wait in the machine's memory while another
// version has the GPU, and the way back is a waking of seconds. Touches: model servers, warm_servers, restart policies of containers.
import { errorMessage, MlxError } from '../errors.js';
import { listRoutes } from '../ledger/promotions.js';
import { findVersion } from '../ledger/versions.js';
import { forgetWarm } from '../ledger/warm-servers.js';
import { serverCondition } from '../serving/liveness.js';
import { askServer, type Probe, type ServerClient } from '../serving/server-client.js';
import { waitForServer } from './candidate.js';
import type { PromotionEdges } from './edges.js';
import { undoStop } from './hold.js';
import { finishAnswers } from './retire.js';
import type { SubjectOf } from './subjects.js';

type Sleeper = Pick<SubjectOf<'wake'>, 'serverId' | 'engine' | 'address'>;

/** Open answers are finished first. @throws MlxError SLEEP_FAILED */
export async function performSleep(edges: PromotionEdges, { former }: SubjectOf<'sleep'>): Promise<void> {
  const { serverId, engine, address } = former;
  await finishAnswers(edges, serverId);
  await (await edges.engine(engine)).setRestart(serverId, false);
  const slept = await askServer(address, async (client) => {
    const taken = await client.sleep();
    return taken.ok ? sleeps(client) : taken;
  });
  if (!slept.ok) throw sleepFailed(serverId, `was not put to sleep: ${slept.seen}`);
}

/**
 * The old version serves again: awake, and itself. One that is gone, or does not answer as it should, is started anew. Ctrl-C, which
 * may be why it is undone, does not end it.
 */
export async function undoSleep(interruptible: PromotionEdges, { former }: SubjectOf<'sleep'>): Promise<void> {
  const edges = { ...interruptible, signal: new AbortController().signal };
  const engine = await edges.engine(former.engine);
  const server = (await engine.listServers()).find(({ id }) => id === former.serverId);
  if (server && (await serverCondition(engine, server)) !== 'gone') {
    edges.onNote(`${former.model}:${former.version} is woken again.`);
    try {
      await wakeServer(edges, former);
      await waitForServer(edges, findVersion(edges.ledger, `${former.model}:${former.version}`), server);
      return;
    } catch (error) {
      edges.onNote(`${former.serverId} did not wake up as it was: ${errorMessage(error)}`);
      await engine.stopServer(former.serverId);
    }
  }
  await undoStop(edges, { step: 'stop', former });
}

/** Also of one that is awake already: what a crash left may have slept only half. @throws MlxError SLEEP_FAILED */
export async function wakeServer(edges: PromotionEdges, { serverId, engine, address }: Sleeper): Promise<void> {
  const woken = await askServer(address, (client) => client.wake());
  if (!woken.ok) throw sleepFailed(serverId, `was not woken: ${woken.seen}`);
  await (await edges.engine(engine)).setRestart(serverId, true);
}

/** It makes room for the one that it was to replace. What was woken in vain is not kept: the next way back starts the version anew. */
export async function undoWake(edges: PromotionEdges, { serverId, engine }: Sleeper): Promise<void> {
  if (listRoutes(edges.ledger).some((route) => route.serverId === serverId)) return;
  await (await edges.engine(engine)).stopServer(serverId);
  forgetWarm(edges.ledger, [serverId]);
}

async function sleeps(client: ServerClient): Promise<Probe> {
  return (await client.isAsleep()) === true ? { ok: true } : { ok: false, seen: 'it says that it is awake' };
}

function sleepFailed(serverId: string, what: string): MlxError {
  return new MlxError('SLEEP_FAILED', `The model server ${serverId} ${what}.`, {
    hint: `Look at its lines: mlx logs ${serverId}; without sleep: --strategy hold`,
  });
}
