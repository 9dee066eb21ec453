// Model versions of the host engine: images in one OCI layout, so that they can be copied to any registry.
import { stat } from 'node:fs/promises';

import { MlxError } from '../../errors.js';
import type { OnProgress, VersionContents, VersionImage } from '../engine.js';
import {
  addBlob,
  addJsonBlob,
  blobFile,
  changeTags,
  imageConfigSchema,
  manifestSchema,
  mediaTypes,
  namedDiskError,
  readJsonBlob,
  readTags,
  refName,
  type Descriptor,
} from './layout.js';

/** @throws MlxError VERSION_EXISTS, DISK_FULL */
export async function packageVersion(
  layout: string,
  contents: VersionContents,
  onProgress: OnProgress,
  signal: AbortSignal,
): Promise<VersionImage> {
  try {
    onProgress(`writing ${contents.files.length} files into a layer`);
    const digest = await writeImage(layout, contents, signal);
    await tagVersion(layout, contents.model, digest, `v${contents.version}`);
    const image = await findVersion(layout, contents.model, digest);
    if (!image) throw new Error(`${digest} is not in ${layout} although it was just written.`);
    return image;
  } catch (error) {
    throw namedDiskError(error, layout);
  }
}

/** Same contents, same digest. An interrupted call leaves blobs that nothing names. */
async function writeImage(layout: string, contents: VersionContents, signal: AbortSignal): Promise<string> {
  // Loaded here alone: a switch, which is in a hurry, reads and moves tags.
  const { writeLayer } = await import('../layer.js');
  const layer = await addBlob(layout, (target) => writeLayer(contents.files, target));
  signal.throwIfAborted();
  const config = await addJsonBlob(layout, imageConfig(layer.digest, contents.labels));
  const manifest = {
    schemaVersion: 2,
    mediaType: mediaTypes.manifest,
    config: { mediaType: mediaTypes.config, digest: config.digest, size: config.sizeBytes },
    layers: [{ mediaType: mediaTypes.layer, digest: layer.digest, size: layer.sizeBytes }],
  };
  const { digest } = await addJsonBlob(layout, manifest);
  signal.throwIfAborted();
  return digest;
}

/** @throws MlxError VERSION_EXISTS when a version's own tag would move */
export async function tagVersion(layout: string, model: string, digest: string, tag: string): Promise<void> {
  await readJsonBlob(layout, digest, manifestSchema);
  const { size } = await stat(blobFile(layout, digest));
  const name = imageName(model, tag);
  await changeTags(layout, (tags) => {
    const present = tags.find((candidate) => candidate.annotations?.[refName] === name);
    if (present && present.digest !== digest && isVersionTag(tag)) throw versionExists(name, present.digest);
    const moved = { mediaType: mediaTypes.manifest, digest, size, annotations: { [refName]: name } };
    return [...tags.filter((candidate) => candidate !== present), moved].sort(byName);
  });
}

export async function untagVersion(layout: string, model: string, tag: string): Promise<void> {
  const name = imageName(model, tag);
  await changeTags(layout, (tags) => tags.filter((candidate) => candidate.annotations?.[refName] !== name));
}

/** By tag or digest; a digest that no tag of the model names is not the model's. */
export async function findVersion(layout: string, model: string, reference: string): Promise<VersionImage | undefined> {
  const own = (await readTags(layout)).filter((tag) => tagName(tag).startsWith(imageName(model, '')));
  const name = imageName(model, reference);
  const found = own.find((tag) => tag.digest === reference || tagName(tag) === name);
  if (!found) return undefined;
  const manifest = await readJsonBlob(layout, found.digest, manifestSchema);
  const config = await readJsonBlob(layout, manifest.config.digest, imageConfigSchema);
  const sizes = [manifest.config, ...manifest.layers].map((part) => part.size);
  return {
    digest: found.digest,
    tags: own.filter((tag) => tag.digest === found.digest).map(tagName),
    labels: config.config.Labels,
    sizeBytes: sizes.reduce((sum, size) => sum + size, found.size),
  };
}

/** The layer's digest and blob of a version. @throws MlxError IMAGE_CORRUPT */
export async function versionLayer(layout: string, digest: string): Promise<{ digest: string; file: string }> {
  const { layers } = await readJsonBlob(layout, digest, manifestSchema);
  const [layer] = layers;
  if (!layer) throw new Error(`${digest} has no layer.`);
  return { digest: layer.digest, file: blobFile(layout, layer.digest) };
}

/** No date and no platform: a model version is data, the same on every machine. */
function imageConfig(layerDigest: string, labels: Record<string, string>): unknown {
  const sorted = Object.fromEntries(Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1)));
  return {
    architecture: 'unknown',
    os: 'unknown',
    config: { Labels: sorted },
    rootfs: { type: 'layers', diff_ids: [layerDigest] },
  };
}

function imageName(model: string, tag: string): string {
  return `mlx/${model}:${tag}`;
}

function tagName(tag: Descriptor): string {
  return tag.annotations?.[refName] ?? '';
}

function byName(a: Descriptor, b: Descriptor): number {
  return tagName(a) < tagName(b) ? -1 : 1;
}

function isVersionTag(tag: string): boolean {
  return /^v\d+$/.test(tag);
}

function versionExists(name: string, digest: string): MlxError {
  return new MlxError(
    'VERSION_EXISTS',
    `${name} exists already and is ${digest.slice(0, 19)}: a version never changes.`,
    {
      hint: 'Package the run as the next version: mlx package RUN',
    },
  );
}
