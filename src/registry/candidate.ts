// A new server of a version that is to get a route, and whether it is ready.
import { randomBytes } from 'node:crypto';

import type { ModelServer } from '../engine/engine.js';
import { MlxError } from '../errors.js';
import type { Route } from '../ledger/promotions.js';
import type { ModelVersion } from '../ledger/versions.js';
import { readGolden } from '../serving/golden.js';
import { measurePace, type LivePace } from '../serving/pace.js';
import { readinessPrompts } from '../serving/prompt.js';
import { waitUntilReady } from '../serving/readiness.js';
import { askServer } from '../serving/server-client.js';
import type { PromotionEdges } from './edges.js';
import { serverSettings } from './settings.js';

/** Enough to tell a model from its base. */
const comparedPrompts = 5;

export function newServerId({ model, version }: ModelVersion): string {
  return `${model}-v${version}-${randomBytes(2).toString('hex')}`;
}

export async function startServerOf(
  edges: PromotionEdges,
  version: ModelVersion,
  id: string = newServerId(version),
  into?: string,
): Promise<ModelServer> {
  const { model, version: number, digest } = version;
  const engine = await edges.engine(version.engine);
  const baseModel = edges.baseModelFolder(version);
  const spec = { id, model, version: number, digest, baseModel, gpu: edges.gpu, settings: serverSettings(version) };
  return engine.startServer(into === undefined ? spec : { ...spec, into }, edges.onProgress, edges.signal);
}

/** Of the route that leads there. */
export function serverFields({ id, address, servedName }: ModelServer): {
  serverId: string;
  address: string;
  servedName: string;
} {
  return { serverId: id, address, servedName };
}

/**
 * @param live what it is held against: the version that it replaces
 * @throws MlxError SERVER_NOT_READY, GOLDEN_FAILED, ADAPTER_INCONCLUSIVE, MEMORY_SHORT, TOO_SLOW, IMAGE_CORRUPT, INTERRUPTED
 */
export async function waitForServer(
  edges: PromotionEdges,
  version: ModelVersion,
  server: ModelServer,
  live: LivePace | null = null,
): Promise<void> {
  requireDigest(server, version);
  const engine = await edges.engine(version.engine);
  const prompts = await promptsOf(edges, version);
  const golden = readGolden(edges.goldenFile, version.model);
  const { readyTimeoutMs: timeoutMs, maxSlowdown } = edges;
  await waitUntilReady({ ...edges, engine }, { server, prompts, golden, timeoutMs, live, maxSlowdown });
}

/** How fast the server of a route answers the questions that the candidate will be asked. null: it is not to be told. */
export async function livePace(
  edges: PromotionEdges,
  candidate: ModelVersion,
  { model, version, address, servedName }: Route,
): Promise<LivePace | null> {
  if (edges.maxSlowdown === 0) return null;
  const prompts = await promptsOf(edges, candidate);
  const pace = await askServer(address, (client) => measurePace(client, servedName ?? model, prompts, edges.clock));
  return pace && { ...pace, version: `${model}:${version}` };
}

function promptsOf({ heldOutFile }: PromotionEdges, { runId }: ModelVersion): ReturnType<typeof readinessPrompts> {
  return readinessPrompts(heldOutFile(runId), comparedPrompts);
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
