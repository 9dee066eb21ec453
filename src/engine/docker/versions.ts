// Model versions as images: the server runtime plus one layer. The digest is the image's id; tags point at it.
import { createWriteStream, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { ImageInspectInfo } from 'dockerode';

import { MlxError } from '../../errors.js';
import type { OnProgress, VersionContents, VersionImage } from '../engine.js';
import { writeLayer } from '../layer.js';
import { noAccess } from './build-access.js';
import { buildImage } from './build.js';
import { answeredStatus, ask, askMaybe } from './connection.js';
import type { DockerEdges } from './edges.js';
import { imageId, prepareRuntime } from './images.js';
import { label, labelFilters, versionReference } from './names.js';

/** @throws MlxError VERSION_EXISTS, MODEL_NAME_TAKEN, BUILD_FAILED, DISK_FULL, DOCKER_UNREACHABLE, INTERRUPTED */
export async function packageVersion(
  edges: DockerEdges,
  contents: VersionContents,
  onProgress: OnProgress,
  signal: AbortSignal,
): Promise<VersionImage> {
  await checkModelName(edges, contents.model);
  const server = await prepareRuntime(edges, 'server', onProgress, signal);
  const tag = `v${contents.version}`;
  const reference = versionReference(contents.model, tag);
  const before = await imageId(edges, reference);
  const folder = mkdtempSync(join(tmpdir(), 'mlx-version-'));
  try {
    await writeLayer(contents.files, createWriteStream(join(folder, 'version.tar')));
    const build = {
      title: `model version ${reference}`,
      dockerfile: join(edges.root, 'compose', 'images', 'version', 'Dockerfile'),
      context: folder,
      buildArguments: { SERVER_IMAGE: server.reference, SOURCE_DATE_EPOCH: imageDate(contents.labels) },
      labels: versionLabels(edges.paths.projectId, contents, server.id),
    };
    const digest = await buildImage(edges.connection, build, noAccess, onProgress, signal);
    await keepOrRefuse(edges, reference, before, digest);
    await tagVersion(edges, contents.model, digest, tag);
    return await requireVersion(edges, digest);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Pure: what can be read off an image without mlx. */
export function versionLabels(
  projectId: string,
  contents: Pick<VersionContents, 'model' | 'version' | 'labels'>,
  serverId: string,
): Record<string, string> {
  return {
    ...contents.labels,
    [label.project]: projectId,
    [label.model]: contents.model,
    [label.version]: String(contents.version),
    'org.opencontainers.image.title': contents.model,
    'org.opencontainers.image.version': String(contents.version),
    'org.opencontainers.image.base.digest': serverId,
  };
}

export async function tagVersion(edges: DockerEdges, model: string, digest: string, tag: string): Promise<void> {
  const reference = versionReference(model, tag);
  if (/^v\d+$/.test(tag)) await keepOrRefuse(edges, reference, await imageId(edges, reference), digest);
  await ask(edges.connection, (docker) => docker.getImage(digest).tag({ repo: `mlx/${model}`, tag }));
}

export async function untagVersion(edges: DockerEdges, model: string, tag: string): Promise<void> {
  await askMaybe(edges.connection, (docker) => docker.getImage(versionReference(model, tag)).remove({ noprune: true }));
}

/** By `vN`, a tag or a digest; undefined when it is not there, or is no version of this model. */
export async function findVersion(
  edges: DockerEdges,
  model: string,
  reference: string,
): Promise<VersionImage | undefined> {
  const name = reference.startsWith('sha256:') ? reference : versionReference(model, reference);
  const found = await askMaybe(edges.connection, (docker) => docker.getImage(name).inspect());
  return found?.Config.Labels?.[label.model] === model ? versionImage(found) : undefined;
}

/** Two projects with a model of one name would move each other's tags. */
async function checkModelName(edges: DockerEdges, model: string): Promise<void> {
  const filters = { reference: [`mlx/${model}`], ...labelFilters({ [label.model]: model }) };
  const images = await ask(edges.connection, (docker) => docker.listImages({ filters }));
  const strangers = images.filter((image) => image.Labels?.[label.project] !== edges.paths.projectId);
  if (strangers.length === 0) return;
  const names = strangers.flatMap(({ Id, RepoTags }) => RepoTags ?? [Id]).sort();
  throw new MlxError(
    'MODEL_NAME_TAKEN',
    `mlx/${model} names images of another project on this machine (${names.join(', ')}).`,
    {
      hint: `Choose another name (mlx package RUN --name NAME), or delete the others: docker image rm ${names.join(' ')}`,
    },
  );
}

/** Seconds. The image's date is part of its digest: the date that the caller gives, never that of the build. */
export function imageDate(labels: Record<string, string>): string {
  const seconds = Date.parse(labels['org.opencontainers.image.created'] ?? '') / 1000;
  return Number.isFinite(seconds) ? String(Math.floor(seconds)) : '0';
}

/** `vN` never moves. What was just built for nothing is taken away again. */
async function keepOrRefuse(
  edges: DockerEdges,
  reference: string,
  present: string | undefined,
  digest: string,
): Promise<void> {
  if (present === undefined || present === digest) return;
  await removeUntagged(edges, digest);
  throw new MlxError(
    'VERSION_EXISTS',
    `${reference} exists with other contents (${present.slice(0, 19)}); a version never moves.`,
    {
      hint: 'Package under the next version: mlx package RUN',
    },
  );
}

async function removeUntagged(edges: DockerEdges, digest: string): Promise<void> {
  const image = await askMaybe(edges.connection, (docker) => docker.getImage(digest).inspect());
  if (!image || image.RepoTags.length > 0) return;
  await ask(edges.connection, (docker) => docker.getImage(digest).remove()).catch(ignoreInUse);
}

/** 409: a container runs from it. */
function ignoreInUse(error: unknown): void {
  if (answeredStatus(error) !== 409) throw error;
}

async function requireVersion(edges: DockerEdges, digest: string): Promise<VersionImage> {
  return versionImage(await ask(edges.connection, (docker) => docker.getImage(digest).inspect()));
}

function versionImage(image: ImageInspectInfo): VersionImage {
  return { digest: image.Id, tags: image.RepoTags, labels: image.Config.Labels ?? {}, sizeBytes: image.Size };
}
