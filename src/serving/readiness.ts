// Waits until a model server is really ready: healthy three times in a row, names the model, answers a prompt, is accepted,
// differs from its base, leaves memory and is not far slower than the version that is live.
// What cannot be told is not ready. A server that exits is noticed at once.
import type { Engine, ModelServer } from '../engine/engine.js';
import { MlxError } from '../errors.js';
import { requireAcceptance } from './acceptance.js';
import { requireApplied } from './applied.js';
import type { GoldenPrompt } from './golden.js';
import { measurePace, requirePace, type LivePace } from './pace.js';
import type { ReadinessPrompt } from './prompt.js';
import { requireRoom } from './room.js';
import { askServer, type Probe, type ServerClient } from './server-client.js';

export type ReadinessEdges = {
  engine: Pick<Engine, 'listServers' | 'logs' | 'measureServer'>;
  /** Milliseconds of a clock that never goes back. */
  clock: () => number;
  pause: (durationMs: number, signal: AbortSignal) => Promise<void>;
  signal: AbortSignal;
  /** Keeps the lines of a server that is about to be removed; says in which file. */
  keepLines: (id: string, lines: readonly string[]) => string;
};

export type ReadinessRequest = {
  server: ModelServer;
  prompts: readonly [ReadinessPrompt, ...ReadinessPrompt[]];
  golden: readonly GoldenPrompt[];
  timeoutMs: number;
  /** null: there is no version to hold it against. */
  live: LivePace | null;
  maxSlowdown: number;
};

const healthyInARow = 3;
const betweenProbesMs = 200;
const longestAnswerMs = 120_000;
const shownLogLines = 12;
const keptLogLines = 1_000;
const shownColumns = 200;

/**
 * @throws MlxError SERVER_NOT_READY with what was seen and the server's last lines, GOLDEN_FAILED, ADAPTER_INCONCLUSIVE,
 *   MEMORY_SHORT, TOO_SLOW, INTERRUPTED
 */
export async function waitUntilReady(edges: ReadinessEdges, request: ReadinessRequest): Promise<void> {
  await askServer(request.server.address, async (client) => {
    await probeUntilReady(edges, request, client);
    const { server, golden, prompts } = request;
    const version = `${server.model}:${server.version}`;
    await requireAcceptance(client, { model: server.servedName, version, golden, clock: edges.clock });
    const asked = golden.map(({ messages }) => ({ messages, heldOut: false }));
    await requireApplied(client, { model: server.servedName, version }, [...prompts, ...asked]);
    await requireRoom(edges.engine, server);
    if (request.live) {
      const measure = () => measurePace(client, server.servedName, prompts, edges.clock);
      await requirePace(edges, measure, { version, live: request.live, maxSlowdown: request.maxSlowdown });
    }
    await requireStillHealthy(edges, server, client);
  });
}

async function probeUntilReady(edges: ReadinessEdges, request: ReadinessRequest, client: ServerClient): Promise<void> {
  const { server, timeoutMs } = request;
  const deadlineMs = edges.clock() + timeoutMs;
  let healthy = 0;
  let seen = 'nothing yet';
  while (edges.clock() < deadlineMs) {
    if (edges.signal.aborted) throw interrupted(server);
    const probe = await nextProbe(client, request, healthy, deadlineMs - edges.clock());
    if (probe.ok && healthy >= healthyInARow) return;
    healthy = probe.ok ? healthy + 1 : 0;
    if (!probe.ok) seen = probe.seen;
    const exit = probe.ok ? undefined : await exitOf(edges, server);
    if (exit !== undefined) throw await notReady(edges, server, exit);
    await edges.pause(betweenProbesMs, edges.signal);
  }
  throw await notReady(edges, server, `was not ready after ${Math.round(timeoutMs / 1000)} s: ${seen}`);
}

/** One that dies of its first answers must not get the route. */
async function requireStillHealthy(edges: ReadinessEdges, server: ModelServer, client: ServerClient): Promise<void> {
  const probe = await client.health();
  if (!probe.ok) throw await notReady(edges, server, `answered and then was not healthy any more: ${probe.seen}`);
}

/** Health first; once that holds, the name and a real answer together. */
async function nextProbe(
  client: ServerClient,
  { server, prompts: [prompt] }: ReadinessRequest,
  healthy: number,
  leftMs: number,
): Promise<Probe> {
  const health = await client.health();
  if (!health.ok || healthy < healthyInARow) return health;
  const names = await client.names(server.servedName);
  if (!names.ok) return names;
  return client.answers(server.servedName, prompt, Math.max(1, Math.min(leftMs, longestAnswerMs)));
}

async function exitOf(edges: ReadinessEdges, server: ModelServer): Promise<string | undefined> {
  const found = (await edges.engine.listServers()).find((candidate) => candidate.id === server.id);
  if (found === undefined) return 'is gone';
  if (found.state !== 'exited') return undefined;
  return found.exitStatus === null ? 'exited' : `exited with status ${found.exitStatus}`;
}

async function notReady(edges: ReadinessEdges, server: ModelServer, what: string): Promise<MlxError> {
  const lines = await lastLines(edges, server.id);
  const told = lines.filter((line) => line.trim() !== '');
  const shown = told.slice(-shownLogLines).map((line) => `  ${line.slice(0, shownColumns)}`);
  const said = shown.length === 0 ? ' It said nothing.' : ` Its last lines:\n${shown.join('\n')}`;
  const file = lines.length > shown.length ? `All of its lines: ${edges.keepLines(server.id, lines)}. ` : '';
  return new MlxError('SERVER_NOT_READY', `The model server ${server.id} ${what}.${said}`, {
    hint: `${file}Where it is only slow, give it more time: serving.ready_timeout_s in mlx.yaml`,
  });
}

/** The lines are a help, not the point: a log that cannot be read must not hide the failure. */
async function lastLines(edges: ReadinessEdges, id: string): Promise<string[]> {
  const lines: string[] = [];
  try {
    const options = { follow: false, lines: keptLogLines, signal: edges.signal };
    for await (const line of edges.engine.logs(id, options)) lines.push(line);
  } catch {
    return lines;
  }
  return lines;
}

function interrupted(server: ModelServer): MlxError {
  return new MlxError('INTERRUPTED', `Stopped while ${server.id} was getting ready; it is not in use.`, {
    hint: 'Run the same command again when you like.',
  });
}
