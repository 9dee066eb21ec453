// Adapters of other versions in a running server: each in a folder of its own below the server's, which its container sees
// read-only. What lies there is the truth: a server that starts again (a crash, a reboot) loads what is marked as loaded.
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { z } from 'zod';

/** Where the container sees them; compose/serve.yaml and start.py know it too. */
export const adaptersTarget = '/mlx/adapters';

const recordSchema = z.object({
  model: z.string(),
  version: z.number(),
  digest: z.string(),
  started_at_ms: z.number(),
});

export type LoadedAdapter = {
  id: string;
  carrierId: string;
  model: string;
  version: number;
  digest: string;
  startedAtMs: number;
  /** vLLM has taken it: from then on a server that starts again loads it too. */
  loaded: boolean;
};

type Folders = { paths: { run: string } };

/** Of one server. */
export function adaptersFolder({ paths }: Folders, carrierId: string): string {
  return join(paths.run, 'adapters', carrierId);
}

function adapterFolder(edges: Folders, carrierId: string, id: string): string {
  return join(adaptersFolder(edges, carrierId), id);
}

/** Oldest first. */
export function listAdapters(edges: Folders, carrierId: string): LoadedAdapter[] {
  const folder = adaptersFolder(edges, carrierId);
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .flatMap(({ name }) => readAdapter(folder, carrierId, name) ?? [])
    .sort((a, b) => a.startedAtMs - b.startedAtMs);
}

/** Also one whose files a crash left half written. @returns undefined for the id of a server */
export function findCarrier(edges: Folders, id: string): string | undefined {
  const folder = join(edges.paths.run, 'adapters');
  if (!existsSync(folder)) return undefined;
  return readdirSync(folder).find((carrierId) => existsSync(join(folder, carrierId, id)));
}

/** Before its files: whoever finds the folder knows what it is. */
export function recordAdapter(edges: Folders, adapter: Omit<LoadedAdapter, 'loaded'>): string {
  const folder = adapterFolder(edges, adapter.carrierId, adapter.id);
  mkdirSync(folder, { mode: 0o755 });
  const { model, version, digest, startedAtMs } = adapter;
  const record = JSON.stringify({ model, version, digest, started_at_ms: startedAtMs });
  writeFileSync(join(folder, 'server.json.part'), record, { mode: 0o644 });
  renameSync(join(folder, 'server.json.part'), join(folder, 'server.json'));
  return folder;
}

export function markLoaded(folder: string): void {
  writeFileSync(join(folder, 'loaded'), '', { mode: 0o644 });
}

/** Before it is taken away: a server that starts again in between does not load it. */
export function markUnloaded(edges: Folders, carrierId: string, id: string): void {
  rmSync(join(adapterFolder(edges, carrierId, id), 'loaded'), { force: true });
}

export function removeAdapter(edges: Folders, carrierId: string, id: string): void {
  rmSync(adapterFolder(edges, carrierId, id), { recursive: true, force: true });
}

/** The version that the server was started for is not served any more, while others still are. */
export function retireOwn(edges: Folders, carrierId: string): void {
  writeFileSync(ownRetiredFile(edges, carrierId), '', { mode: 0o644 });
}

export function isOwnRetired(edges: Folders, carrierId: string): boolean {
  return existsSync(ownRetiredFile(edges, carrierId));
}

function ownRetiredFile(edges: Folders, carrierId: string): string {
  return join(adaptersFolder(edges, carrierId), 'own-retired');
}

function readAdapter(folder: string, carrierId: string, id: string): LoadedAdapter | undefined {
  const file = join(folder, id, 'server.json');
  if (!existsSync(file)) return undefined;
  const { started_at_ms: startedAtMs, ...version } = recordSchema.parse(JSON.parse(readFileSync(file, 'utf8')));
  return { id, carrierId, ...version, startedAtMs, loaded: existsSync(join(folder, id, 'loaded')) };
}
