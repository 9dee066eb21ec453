// The steps of a switch, in order, each with its undoing: start, ready, flip, tags. What failed is undone backwards.
// Touches: one model server, one row of routes, the gateway's memory, image tags.
import { randomBytes } from 'node:crypto';

import type { Engine, ModelServer } from '../engine/engine.js';
import { errorMessage } from '../errors.js';
import { deleteRoute, findRoute, listRoutes, setRoute, type Route } from '../ledger/promotions.js';
import { findVersion, type ModelVersion } from '../ledger/versions.js';
import { isServerAlive } from '../serving/liveness.js';
import { readinessPrompt } from '../serving/prompt.js';
import { waitUntilReady } from '../serving/readiness.js';
import type { PromotionEdges } from './edges.js';
import { serverSettings } from './settings.js';
import type { Candidate } from './targets.js';

export type Step = 'start' | 'ready' | 'flip' | 'tags' | 'drain';

type Undo = { what: string; run: () => Promise<void> };

/** The route that is in use now. @throws what failed, after everything was put back */
export async function switchRoute(edges: PromotionEdges, candidate: Candidate): Promise<Route> {
  const undo: Undo[] = [];
  try {
    const server = await startCandidate(edges, candidate.version, undo);
    await becomeReady(edges, candidate.version, server);
    const before = findRoute(edges.ledger, candidate.target.route);
    const route = await flip(edges, candidate, server, before, undo);
    await moveTags(edges, candidate, before, undo);
    return route;
  } catch (error) {
    await undoAll(edges, undo);
    throw error;
  }
}

/** A server of the same image that another route uses already is shared instead of started a second time. */
async function startCandidate(edges: PromotionEdges, version: ModelVersion, undo: Undo[]): Promise<ModelServer> {
  const engine = await edges.engine(version.engine);
  const shared = await runningServer(edges, engine, version);
  if (shared) return shared;
  const id = `${version.model}-v${version.version}-${randomBytes(2).toString('hex')}`;
  edges.onStep('start', `starting ${version.model}:${version.version} beside what runs (${id})`);
  // Before the start: one that fails half-way may have left something.
  undo.push({ what: `stopping ${id}`, run: () => engine.stopServer(id) });
  const { model, version: number, digest } = version;
  const settings = serverSettings(version);
  const baseModel = edges.baseModelFolder(version);
  return engine.startServer(
    { id, model, version: number, digest, baseModel, gpu: edges.gpu, settings },
    edges.onProgress,
  );
}

async function runningServer(
  edges: PromotionEdges,
  engine: Engine,
  version: ModelVersion,
): Promise<ModelServer | undefined> {
  const routed = new Set(listRoutes(edges.ledger).map(({ serverId }) => serverId));
  const servers = await engine.listServers();
  const found = servers.find(
    ({ id, digest, state }) => routed.has(id) && digest === version.digest && state === 'running',
  );
  return found && (await isServerAlive(engine, found)) ? found : undefined;
}

async function becomeReady(edges: PromotionEdges, version: ModelVersion, server: ModelServer): Promise<void> {
  edges.onStep('ready', 'waiting until it is healthy three times in a row, names the model and answers a prompt');
  const engine = await edges.engine(version.engine);
  const prompt = await readinessPrompt(edges.heldOutFile(version.runId));
  await waitUntilReady({ ...edges, engine }, { server, prompt, timeoutMs: edges.readyTimeoutMs });
}

/** One row, then the gateway's word that it uses it: after that no new request reaches the old server. */
async function flip(
  edges: PromotionEdges,
  { version, target }: Candidate,
  server: ModelServer,
  before: Route | undefined,
  undo: Undo[],
): Promise<Route> {
  const { model, version: number, digest, engine } = version;
  const address = server.address;
  // Strictly later than the row before, so that the gateway's acknowledgement cannot be mistaken.
  const updatedAtMs = Math.max(edges.now().getTime(), (before?.updatedAtMs ?? 0) + 1);
  const route: Route = {
    name: target.route,
    model,
    version: number,
    digest,
    serverId: server.id,
    engine,
    address,
    updatedAtMs,
  };
  edges.onStep('flip', `${route.name} -> ${model}:${number}`);
  const gateway = await edges.gateway();
  undo.push({ what: `putting the route ${route.name} back`, run: () => restoreRoute(edges, route.name, before) });
  setRoute(edges.ledger, route);
  await gateway.reload(route.name, route);
  return route;
}

async function restoreRoute(edges: PromotionEdges, name: string, before: Route | undefined): Promise<void> {
  if (before) setRoute(edges.ledger, before);
  else deleteRoute(edges.ledger, name);
  await (await edges.gateway()).reload(name, before);
}

/** Labels for people: the digest is the truth. `previous` is what production was. */
async function moveTags(
  edges: PromotionEdges,
  { version, target }: Candidate,
  before: Route | undefined,
  undo: Undo[],
): Promise<void> {
  if (!target.labelled) return;
  edges.onStep('tags', `mlx/${version.model}:${target.alias} -> v${version.version}`);
  for (const [tag, tagged] of tagMoves(edges, version, target.alias, before)) await moveTag(edges, tagged, tag, undo);
}

export function tagMoves(
  edges: Pick<PromotionEdges, 'ledger'>,
  version: ModelVersion,
  alias: string,
  before: Pick<Route, 'version' | 'model'> | undefined,
): [string, ModelVersion][] {
  const moves: [string, ModelVersion][] = [[alias, version]];
  if (alias !== 'production' || !before || before.version === version.version) return moves;
  return [...moves, ['previous', findVersion(edges.ledger, `${before.model}:${before.version}`)]];
}

async function moveTag(
  edges: PromotionEdges,
  { model, digest, engine: kind }: ModelVersion,
  tag: string,
  undo: Undo[],
) {
  const engine = await edges.engine(kind);
  const before = await engine.findVersion(model, tag);
  undo.push({
    what: `putting the tag ${model}:${tag} back`,
    run: () => (before ? engine.tagVersion(model, before.digest, tag) : engine.untagVersion(model, tag)),
  });
  await engine.tagVersion(model, digest, tag);
}

/** Every step is tried, whatever the one before it did: what cannot be undone is said, and the first failure stays the reason. */
async function undoAll(edges: PromotionEdges, undo: Undo[]): Promise<void> {
  for (const { what, run } of undo.toReversed()) {
    try {
      await run();
    } catch (error) {
      edges.onNote(`${what} failed: ${errorMessage(error)}`);
    }
  }
}
