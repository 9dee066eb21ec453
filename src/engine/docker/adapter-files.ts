// The adapter of a version out of its image into a folder, and whether it is what the image says.
import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';

import { extract, type Extract } from 'tar-stream';

import { MlxError } from '../../errors.js';
import { ask, askMaybe } from './connection.js';
import type { DockerEdges } from './edges.js';
import { composeProject } from './names.js';

const source = '/mlx/version/adapter';
/** All that vLLM reads of an adapter; nothing else of an image gets in front of a running server. */
const taken = new Set(['adapter/adapter_config.json', 'adapter/adapter_model.safetensors']);
const weights = 'adapter_model.safetensors';

/** Written by `mlx package`. */
export const adapterHashLabel = 'mlx.adapter_sha256';

/** @param folder gets `adapter/`. @throws MlxError IMAGE_CORRUPT, DOCKER_UNREACHABLE */
export async function copyAdapter(
  edges: DockerEdges,
  { id, digest }: { id: string; digest: string },
  folder: string,
): Promise<void> {
  const labels = (await ask(edges.connection, (docker) => docker.getImage(digest).inspect())).Config.Labels ?? {};
  const adapter = join(folder, 'adapter');
  await mkdir(adapter, { mode: 0o755 });
  // Never started: only a container's files can be read.
  const container = await ask(edges.connection, (docker) =>
    docker.createContainer({ name: containerName(edges, id), Image: digest }),
  );
  try {
    const archive = await ask(edges.connection, () => container.getArchive({ path: source }));
    const tar = extract();
    // Who listens comes first: an entry that is read before that is lost.
    await Promise.all([writeEntries(tar, folder), pipeline(archive, tar)]);
  } finally {
    await removeCopier(edges, id);
  }
  if ((await sha256(join(adapter, weights))) === labels[adapterHashLabel]) return;
  throw new MlxError('IMAGE_CORRUPT', `The adapter in ${digest.slice(0, 19)} is not the one that its label names.`, {
    hint: 'Package its run again: mlx models ls',
  });
}

/** Also after a command that was killed while it copied. */
export async function removeCopier(edges: DockerEdges, id: string): Promise<void> {
  await askMaybe(edges.connection, (docker) => docker.getContainer(containerName(edges, id)).remove({ force: true }));
}

function containerName({ paths }: DockerEdges, id: string): string {
  return `${composeProject(paths.projectId, id)}-files`;
}

async function writeEntries(tar: Extract, folder: string): Promise<void> {
  for await (const entry of tar) {
    if (entry.header.type !== 'file' || !taken.has(entry.header.name)) entry.resume();
    else await pipeline(entry, createWriteStream(join(folder, entry.header.name), { mode: 0o644, flush: true }));
  }
}

async function sha256(file: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  return hash.digest('hex');
}
