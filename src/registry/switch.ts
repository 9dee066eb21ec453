// The steps of a switch in their order: start, ready, flip, tags, drain. Each is in the journal before it is done.
// Touches: what steps.ts touches.
import { randomBytes } from 'node:crypto';

import type { Engine, ModelServer } from '../engine/engine.js';
import { findRoute, listRoutes, type Promotion, type Route } from '../ledger/promotions.js';
import type { ModelVersion } from '../ledger/versions.js';
import { isServerAlive } from '../serving/liveness.js';
import { readinessPrompt } from '../serving/prompt.js';
import { waitUntilReady } from '../serving/readiness.js';
import type { PromotionEdges } from './edges.js';
import type { Journal } from './journal.js';
import { retireServers } from './retire.js';
import { serverSettings } from './settings.js';
import { performFlip, performTags, planTags } from './steps.js';
import type { SubjectOf } from './subjects.js';
import type { Candidate } from './targets.js';

export type Step = 'start' | 'ready' | 'flip' | 'tags' | 'drain';

export type Moved = Pick<Promotion, 'model' | 'alias' | 'fromVersion' | 'toVersion'>;

/** The route that is in use now. @throws what failed; nothing is undone yet */
export async function switchRoute(
  edges: PromotionEdges,
  journal: Journal,
  { version, target }: Candidate,
  moved: Moved,
): Promise<Route> {
  const server = await startCandidate(edges, journal, version);
  await becomeReady(edges, journal, version, server);
  const before = findRoute(edges.ledger, target.route);
  const after = nextRoute(edges, { version, target }, server, before);
  edges.onStep('flip', `${after.name} -> ${version.model}:${version.version}`);
  const flip: SubjectOf<'flip'> = { step: 'flip', before: before ?? null, after };
  await journal.run(flip, () => performFlip(edges, flip));
  await finishSwitch(edges, journal, moved, flip);
  return after;
}

/** What comes after the flip, for a switch that goes on after a crash as well. */
export async function finishSwitch(
  edges: PromotionEdges,
  journal: Journal,
  moved: Moved,
  { before, after }: SubjectOf<'flip'>,
  left: readonly Step[] = ['tags', 'drain'],
): Promise<void> {
  const tags = left.includes('tags') ? await planTags(edges, moved) : undefined;
  if (tags) {
    edges.onStep('tags', `mlx/${moved.model}:${moved.alias} -> v${moved.toVersion}`);
    await journal.run(tags, () => performTags(edges, tags));
  }
  const engines = [...new Set([after.engine, ...(before ? [before.engine] : [])])];
  if (left.includes('drain')) {
    await journal.run({ step: 'drain', engines }, () => retireServers(edges, moved.model, engines));
  }
}

/** A server of the same image that another route uses already is shared instead of started a second time. */
async function startCandidate(edges: PromotionEdges, journal: Journal, version: ModelVersion): Promise<ModelServer> {
  const engine = await edges.engine(version.engine);
  const shared = await runningServer(edges, engine, version);
  if (shared) return shared;
  const serverId = `${version.model}-v${version.version}-${randomBytes(2).toString('hex')}`;
  edges.onStep('start', `starting ${version.model}:${version.version} beside what runs (${serverId})`);
  const { model, version: number, digest, engine: kind } = version;
  const settings = serverSettings(version);
  const baseModel = edges.baseModelFolder(version);
  const spec = { id: serverId, model, version: number, digest, baseModel, gpu: edges.gpu, settings };
  return journal.run({ step: 'start', serverId, engine: kind }, () => engine.startServer(spec, edges.onProgress));
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

async function becomeReady(
  edges: PromotionEdges,
  journal: Journal,
  version: ModelVersion,
  server: ModelServer,
): Promise<void> {
  edges.onStep('ready', 'waiting until it is healthy three times in a row, names the model and answers a prompt');
  const engine = await edges.engine(version.engine);
  await journal.run({ step: 'ready', serverId: server.id }, async () => {
    const prompt = await readinessPrompt(edges.heldOutFile(version.runId));
    await waitUntilReady({ ...edges, engine }, { server, prompt, timeoutMs: edges.readyTimeoutMs });
  });
}

function nextRoute(
  edges: PromotionEdges,
  { version, target }: Candidate,
  server: ModelServer,
  before: Route | undefined,
): Route {
  const { model, version: number, digest, engine } = version;
  return {
    ...{ name: target.route, model, version: number, digest, engine },
    serverId: server.id,
    address: server.address,
    // Strictly later than the row before, so that the gateway's acknowledgement cannot be mistaken.
    updatedAtMs: Math.max(edges.now().getTime(), (before?.updatedAtMs ?? 0) + 1),
  };
}
