// A version in another version's server: its adapter is copied out of its image, loaded into the running vLLM under the new id,
// and taken away again. Touches folders below .mlx/run/adapters, and vLLM's memory.
import { MlxError } from '../../errors.js';
import type { ModelServer, OnProgress, ServerSpec } from '../engine.js';
import { adapterHashLabel, copyAdapter, removeCopier } from './adapter-files.js';
import {
  adaptersTarget,
  listAdapters,
  markLoaded,
  markUnloaded,
  recordAdapter,
  removeAdapter,
  type LoadedAdapter,
} from './adapters.js';
import { askMaybe } from './connection.js';
import type { DockerEdges } from './edges.js';
import { loadAdapter, unloadAdapter } from './lora-client.js';

/** A container, as far as its adapters go. */
export type Carrier = ModelServer & { takesAdapters: boolean };

const baseLabels = ['mlx.base_model', 'mlx.base_commit', 'org.opencontainers.image.base.digest'] as const;

/** @throws MlxError ADAPTER_REFUSED with vLLM's words, IMAGE_CORRUPT; nothing is left in the server then */
export async function loadInto(
  edges: DockerEdges,
  carrier: Carrier,
  spec: ServerSpec,
  onProgress: OnProgress,
): Promise<ModelServer> {
  const { id, model, version, digest } = spec;
  onProgress(`loading the adapter of ${model}:${version} into ${carrier.id}`);
  const adapter = { id, carrierId: carrier.id, model, version, digest, startedAtMs: Date.now() };
  try {
    const folder = recordAdapter(edges, adapter);
    await copyAdapter(edges, spec, folder);
    const answer = await loadAdapter(carrier.address, id, `${adaptersTarget}/${id}/adapter`);
    if (answer.status !== 200) throw refused(spec, carrier, answer.text);
    markLoaded(folder);
  } catch (error) {
    // What keeps it from being taken away now is met again by whoever undoes the start; the error is why it was not loaded.
    await unloadFrom(edges, carrier, id).catch(() => undefined);
    throw error;
  }
  return loadedServer(carrier, { ...adapter, loaded: true });
}

/**
 * Also of one that is half loaded, or of a server that is gone. Its folder goes last: it is what the next command finds it by, where vLLM
 * did not answer.
 * @throws MlxError ADAPTER_REFUSED, and what the connection says
 */
export async function unloadFrom(
  edges: DockerEdges,
  carrier: { id: string; address: string },
  id: string,
): Promise<void> {
  await removeCopier(edges, id);
  markUnloaded(edges, carrier.id, id);
  await takeAway(carrier, id);
  removeAdapter(edges, carrier.id, id);
}

/** 404: it has no such adapter. */
async function takeAway(carrier: { id: string; address: string }, id: string): Promise<void> {
  const answer = await unloadAdapter(carrier.address, id);
  if (answer === undefined || answer.status === 200 || answer.status === 404) return;
  throw new MlxError('ADAPTER_REFUSED', `vLLM did not take the adapter ${id} away: ${answer.text.slice(0, 300)}`, {
    hint: `Look at its log: mlx logs ${carrier.id}`,
  });
}

export function loadedServers(edges: DockerEdges, carrier: Carrier): ModelServer[] {
  return listAdapters(edges, carrier.id).map((adapter) => loadedServer(carrier, adapter));
}

/** Pure. */
function loadedServer(carrier: Carrier, adapter: LoadedAdapter): ModelServer {
  const { id, model, version, digest, loaded } = adapter;
  // After a crash or a reboot it is loaded anew.
  const startedAtMs = Math.max(adapter.startedAtMs, carrier.startedAtMs);
  const state = carrier.state === 'running' && !loaded ? ('starting' as const) : carrier.state;
  return {
    ...{ id, model, version, digest, state, startedAtMs },
    servedName: id,
    carrier: { id: carrier.id, version: carrier.version },
    address: carrier.address,
    exitStatus: carrier.exitStatus,
    ...(carrier.restarting && { restarting: true }),
    restarts: carrier.restarts ?? 0,
  };
}

/** Everything but the adapter must be the same: the base, by commit, and the packages that serve it, by digest. */
export async function swapObstacle(edges: DockerEdges, carrier: Carrier, digest: string): Promise<string | null> {
  if (!carrier.takesAdapters) return `${carrier.id} was started by an mlx that could not load adapters later`;
  if (carrier.state === 'exited') return `${carrier.id} does not run`;
  const [own, other] = await Promise.all([imageOf(edges, carrier.digest), imageOf(edges, digest)]);
  if (!own || !other) return 'an image of the two is gone';
  return labelObstacle(own, other);
}

/** Pure. */
export function labelObstacle(own: Record<string, string>, other: Record<string, string>): string | null {
  if (other[adapterHashLabel] === undefined) return 'its image does not say what its adapter must be';
  if (own['mlx.loads_adapters'] !== '1') return 'its image was made by an mlx that could not load adapters later';
  const differing = baseLabels.find((name) => own[name] !== other[name]);
  if (differing === undefined) return null;
  return differing === 'org.opencontainers.image.base.digest'
    ? 'its image was made with other server packages'
    : 'it has another base model';
}

async function imageOf(edges: DockerEdges, digest: string): Promise<Record<string, string> | undefined> {
  const image = await askMaybe(edges.connection, (docker) => docker.getImage(digest).inspect());
  return image && (image.Config.Labels ?? {});
}

function refused({ model, version }: ServerSpec, carrier: Carrier, said: string): MlxError {
  return new MlxError(
    'ADAPTER_REFUSED',
    `vLLM did not take the adapter of ${model}:${version}: ${said.slice(0, 300)}`,
    {
      hint: `Start it on a server of its own: add --strategy side-by-side (log: mlx logs ${carrier.id})`,
    },
  );
}
