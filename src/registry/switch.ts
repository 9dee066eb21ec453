// The steps of a switch in their order: start, ready, flip, tags, drain. Each is in the journal before it is done.
// Touches: what steps.ts touches.
import { randomBytes } from 'node:crypto';

import type { Engine, ModelServer } from '../engine/engine.js';
import { MlxError } from '../errors.js';
import { findRoute, listRoutes, type Promotion, type Route } from '../ledger/promotions.js';
import { forgetWarm, keepWarm, listWarmServers, setWarmUntil } from '../ledger/warm-servers.js';
import type { ModelVersion } from '../ledger/versions.js';
import { isServerAlive } from '../serving/liveness.js';
import { readGolden } from '../serving/golden.js';
import { readinessPrompts } from '../serving/prompt.js';
import { waitUntilReady } from '../serving/readiness.js';
import type { PromotionEdges } from './edges.js';
import type { Journal } from './journal.js';
import { retireServers, stopWarmServers } from './retire.js';
import { serverSettings } from './settings.js';
import { performFlip, performTags, planTags } from './steps.js';
import type { SubjectOf } from './subjects.js';
import type { Candidate } from './targets.js';

/** Enough to tell a model from its base. */
const comparedPrompts = 3;

export type Step = 'start' | 'ready' | 'flip' | 'tags' | 'drain';

export type Moved = Pick<Promotion, 'model' | 'alias' | 'fromVersion' | 'toVersion'>;

/** The route that is in use now. @throws what failed; nothing is undone yet */
export async function switchRoute(
  edges: PromotionEdges,
  journal: Journal,
  { version, target }: Candidate,
  moved: Moved,
): Promise<Route> {
  const { server, warm } = await startCandidate(edges, journal, version);
  // One that was kept warm has answered real requests until it lost the route, and is healthy still.
  if (!warm) await becomeReady(edges, journal, version, server);
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
  if (left.includes('drain')) {
    const drain = planDrain(edges, before, after);
    await journal.run(drain, () => performDrain(edges, moved.model, drain));
  }
}

/** The old server stays for a rollback, unless the same version goes on: then it was broken, or is in use elsewhere. */
function planDrain(edges: PromotionEdges, before: Route | null, after: Route): SubjectOf<'drain'> {
  const engines = [...new Set([after.engine, ...(before ? [before.engine] : [])])];
  const kept = edges.keepWarmMs > 0 && before !== null && before.digest !== after.digest;
  const untilMs = edges.now().getTime() + edges.keepWarmMs;
  const warm = kept ? { serverId: before.serverId, version: before.version, engine: before.engine, untilMs } : null;
  return { step: 'drain', engines, warm };
}

/** One server a model is kept, the latest. */
async function performDrain(
  edges: PromotionEdges,
  model: string,
  { engines, warm }: SubjectOf<'drain'>,
): Promise<void> {
  if (warm) {
    const others = listWarmServers(edges.ledger).filter((server) => server.model === model);
    forgetWarm(
      edges.ledger,
      others.map(({ serverId }) => serverId),
    );
    keepWarm(edges.ledger, { model, ...warm });
  }
  await retireServers(edges, model, engines);
}

/** A server of the same image that another route uses, or that was kept warm, is shared instead of started a second time. */
async function startCandidate(
  edges: PromotionEdges,
  journal: Journal,
  version: ModelVersion,
): Promise<{ server: ModelServer; warm: boolean }> {
  const engine = await edges.engine(version.engine);
  const shared = await runningServer(edges, engine, version);
  if (shared) return shared;
  await stopWarmServers(edges, version.model);
  const serverId = `${version.model}-v${version.version}-${randomBytes(2).toString('hex')}`;
  edges.onStep('start', `starting ${version.model}:${version.version} beside what runs (${serverId})`);
  const { model, version: number, digest, engine: kind } = version;
  const settings = serverSettings(version);
  const baseModel = edges.baseModelFolder(version);
  const spec = { id: serverId, model, version: number, digest, baseModel, gpu: edges.gpu, settings };
  const start = { step: 'start', serverId, engine: kind } as const;
  const server = await journal.run(start, () => engine.startServer(spec, edges.onProgress, edges.signal));
  return { server, warm: false };
}

async function runningServer(
  edges: PromotionEdges,
  engine: Engine,
  version: ModelVersion,
): Promise<{ server: ModelServer; warm: boolean } | undefined> {
  const warm = new Set(listWarmServers(edges.ledger).map(({ serverId }) => serverId));
  const nowMs = edges.now().getTime();
  const known = new Set([...warm, ...listRoutes(edges.ledger).map(({ serverId }) => serverId)]);
  const server = (await engine.listServers()).find(
    ({ id, digest, state }) => known.has(id) && digest === version.digest && state === 'running',
  );
  if (!server || !(await isServerAlive(engine, server))) return undefined;
  if (!warm.has(server.id)) return { server, warm: false };
  const untilMs = nowMs + edges.readyTimeoutMs;
  return setWarmUntil(edges.ledger, server.id, { notBeforeMs: nowMs, untilMs }) ? { server, warm: true } : undefined;
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
    requireDigest(server, version);
    const prompts = await readinessPrompts(edges.heldOutFile(version.runId), comparedPrompts);
    const golden = readGolden(edges.goldenFile, version.model);
    await waitUntilReady({ ...edges, engine }, { server, prompts, golden, timeoutMs: edges.readyTimeoutMs });
  });
}

/** What runs must be the image that the ledger names, whatever its tag says. */
function requireDigest(server: ModelServer, { model, version, digest }: ModelVersion): void {
  if (server.digest === digest) return;
  throw new MlxError(
    'IMAGE_CORRUPT',
    `${server.id} runs ${server.digest.slice(0, 19)}; ${model}:${version} is ${digest.slice(0, 19)}.`,
    { hint: `Package its run again: mlx models show ${model}:${version}` },
  );
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
