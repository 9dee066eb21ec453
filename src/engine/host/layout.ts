// The OCI image layout under .mlx/images: blobs by their digest, and index.json, whose one rewrite is what makes a change real.
// Source: https://github.com/opencontainers/image-spec/blob/v1.1.0/image-layout.md
import { createHash, randomUUID } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Writable } from 'node:stream';

import { z } from 'zod';

import { syncFolder, writeWhole } from '../../config/whole-file.js';
import { errorCode, isDiskFull, MlxError } from '../../errors.js';
import { withLock } from '../lock.js';

const descriptor = z.object({
  mediaType: z.string(),
  digest: z.string().regex(/^sha256:[0-9a-f]{64}$/),
  size: z.number(),
  annotations: z.record(z.string(), z.string()).optional(),
});
const indexSchema = z.object({ schemaVersion: z.literal(2), mediaType: z.string(), manifests: z.array(descriptor) });
export const manifestSchema = z.object({ config: descriptor, layers: z.array(descriptor).min(1) });
export const imageConfigSchema = z.object({
  config: z.object({ Labels: z.record(z.string(), z.string()) }),
  rootfs: z.object({ diff_ids: z.array(z.string()).min(1) }),
});

export type Descriptor = z.infer<typeof descriptor>;

export const refName = 'org.opencontainers.image.ref.name';
export const mediaTypes = {
  index: 'application/vnd.oci.image.index.v1+json',
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  config: 'application/vnd.oci.image.config.v1+json',
  layer: 'application/vnd.oci.image.layer.v1.tar',
};

const layoutMarker = JSON.stringify({ imageLayoutVersion: '1.0.0' });

export function blobFile(layout: string, digest: string): string {
  return join(layout, 'blobs', 'sha256', digest.replace('sha256:', ''));
}

/** The tags: one descriptor each, with the tag in its annotation. Empty when there is no layout yet. */
export async function readTags(layout: string): Promise<Descriptor[]> {
  const file = join(layout, 'index.json');
  const text = await readIfThere(file);
  if (text === undefined) return [];
  const parsed = indexSchema.safeParse(parseJson(text));
  if (!parsed.success) {
    throw new MlxError('IMAGES_CORRUPT', `${file} is no OCI index: ${parsed.error.issues[0]?.message ?? ''}.`, {
      hint: `The images themselves lie in ${join(layout, 'blobs')}: move index.json away and package the runs again.`,
    });
  }
  return parsed.data.manifests;
}

/** Reads the tags, lets `change` make new ones, and puts them in place in one step; alone among all processes. */
export async function changeTags(layout: string, change: (tags: Descriptor[]) => Descriptor[]): Promise<void> {
  await withLock(join(layout, '.lock'), async () => {
    const manifests = change(await readTags(layout));
    const marker = join(layout, 'oci-layout');
    if ((await readIfThere(marker)) !== layoutMarker) writeWhole(marker, layoutMarker, { sync: true });
    const index = { schemaVersion: 2, mediaType: mediaTypes.index, manifests };
    writeWhole(join(layout, 'index.json'), JSON.stringify(index, undefined, 2), { sync: true });
  });
}

/** Writes through `fill` into a blob that appears only when it is whole and on the disk. */
export async function addBlob(
  layout: string,
  fill: (target: Writable) => Promise<{ digest: string; sizeBytes: number }>,
): Promise<{ digest: string; sizeBytes: number }> {
  const temporary = join(layout, 'blobs', `${randomUUID()}.partial`);
  await mkdir(join(layout, 'blobs', 'sha256'), { recursive: true, mode: 0o700 });
  try {
    const blob = await fill(createWriteStream(temporary, { mode: 0o600, flush: true }));
    await rename(temporary, blobFile(layout, blob.digest));
    syncFolder(join(layout, 'blobs', 'sha256'));
    return blob;
  } finally {
    await rm(temporary, { force: true });
  }
}

export async function addJsonBlob(layout: string, value: unknown): Promise<{ digest: string; sizeBytes: number }> {
  const text = JSON.stringify(value);
  const digest = `sha256:${createHash('sha256').update(text).digest('hex')}`;
  await mkdir(join(layout, 'blobs', 'sha256'), { recursive: true, mode: 0o700 });
  writeWhole(blobFile(layout, digest), text, { sync: true });
  return { digest, sizeBytes: Buffer.byteLength(text) };
}

/** @throws MlxError IMAGE_CORRUPT when it is missing, or its contents are not what the digest says */
export async function readJsonBlob<Value>(layout: string, digest: string, schema: z.ZodType<Value>): Promise<Value> {
  const text = await readIfThere(blobFile(layout, digest));
  if (text === undefined) throw corruptImage(digest, 'is missing');
  if (`sha256:${createHash('sha256').update(text).digest('hex')}` !== digest) throw corruptImage(digest, 'was changed');
  return schema.parse(JSON.parse(text));
}

export function corruptImage(digest: string, what: string): MlxError {
  return new MlxError('IMAGE_CORRUPT', `Part ${digest.slice(0, 19)} of a model version ${what} on the disk.`, {
    hint: 'Package its run again: mlx package RUN gives the same digest and mends it.',
  });
}

/** What a full disk means here; any other error as it is. */
export function namedDiskError(error: unknown, layout: string): unknown {
  if (!isDiskFull(error)) return error;
  return new MlxError('DISK_FULL', `The disk that holds ${layout} is full; no model version was changed.`, {
    cause: error,
    hint: 'Free some space (mlx doctor shows how much), then run the command again.',
  });
}

async function readIfThere(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
