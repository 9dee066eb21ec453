import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';

import { expect, test } from 'vitest';

import type { VersionContents } from '../../../../src/engine/engine.js';
import { findVersion, packageVersion, tagVersion, untagVersion } from '../../../../src/engine/host/images.js';
import { blobFile, readTags } from '../../../../src/engine/host/layout.js';
import { unpackVersion } from '../../../../src/engine/host/unpack.js';
import { scratchFolder } from '../scratch.js';

const noSignal = new AbortController().signal;
const quiet = () => undefined;

function contents(version: number, weights = 'weights'): VersionContents {
  const folder = scratchFolder();
  mkdirSync(join(folder, 'adapter'));
  writeFileSync(join(folder, 'adapter', 'adapter_model.safetensors'), weights);
  writeFileSync(join(folder, 'settings.json'), '{"adapter":true}');
  return {
    model: 'tickets',
    version,
    files: [
      { path: 'settings.json', source: join(folder, 'settings.json') },
      { path: 'adapter/adapter_model.safetensors', source: join(folder, 'adapter', 'adapter_model.safetensors') },
    ],
    labels: { 'mlx.run': 'r1', 'mlx.base': 'b' },
  };
}

test('the same contents give the same digest, whatever their dates, modes, owners and order', async () => {
  const first = contents(1);
  const second = contents(1);
  for (const { source } of second.files) utimesSync(source, 1, 1);
  chmodSync(second.files[0]?.source ?? '', 0o755);
  const one = await packageVersion(scratchFolder(), first, quiet, noSignal);
  const shuffled = { ...second, files: second.files.toReversed(), labels: { 'mlx.base': 'b', 'mlx.run': 'r1' } };
  const two = await packageVersion(scratchFolder(), shuffled, quiet, noSignal);

  expect(two).toEqual(one);
  // Written down, so that another release that would make another digest of the same contents is noticed.
  expect(one.digest).toBe('sha256:b164234358fb3a25e9fcdbc2388df3797577502a917ab63565950833ea86893c');
});

test('other contents or labels give another digest', async () => {
  const layout = scratchFolder();
  const one = await packageVersion(layout, contents(1), quiet, noSignal);
  const two = await packageVersion(layout, contents(2, 'other'), quiet, noSignal);
  const three = await packageVersion(layout, { ...contents(3), labels: {} }, quiet, noSignal);

  expect(new Set([one.digest, two.digest, three.digest]).size).toBe(3);
});

test('a version is found by its tag, by an alias and by its digest, and only under its own model', async () => {
  const layout = scratchFolder();
  const { digest } = await packageVersion(layout, contents(1), quiet, noSignal);
  await tagVersion(layout, 'tickets', digest, 'production');

  const found = await findVersion(layout, 'tickets', 'v1');
  expect(found).toMatchObject({
    digest,
    tags: ['mlx/tickets:production', 'mlx/tickets:v1'],
    labels: { 'mlx.run': 'r1', 'mlx.base': 'b' },
  });
  expect(await findVersion(layout, 'tickets', 'production')).toEqual(found);
  expect(await findVersion(layout, 'tickets', digest)).toEqual(found);
  expect(await findVersion(layout, 'ticket', 'v1')).toBeUndefined();
  expect(await findVersion(layout, 'tickets', 'v2')).toBeUndefined();
});

test('packaging the same version again changes nothing; with other contents it is refused', async () => {
  const layout = scratchFolder();
  const first = await packageVersion(layout, contents(1), quiet, noSignal);

  expect(await packageVersion(layout, contents(1), quiet, noSignal)).toEqual(first);
  await expect(packageVersion(layout, contents(1, 'other'), quiet, noSignal)).rejects.toMatchObject({
    code: 'VERSION_EXISTS',
  });
  expect((await findVersion(layout, 'tickets', 'v1'))?.digest).toBe(first.digest);
});

test('an alias moves and goes away, and the version stays', async () => {
  const layout = scratchFolder();
  const one = await packageVersion(layout, contents(1), quiet, noSignal);
  const two = await packageVersion(layout, contents(2, 'other'), quiet, noSignal);
  await tagVersion(layout, 'tickets', one.digest, 'production');
  await tagVersion(layout, 'tickets', two.digest, 'production');

  expect((await findVersion(layout, 'tickets', 'production'))?.digest).toBe(two.digest);
  await untagVersion(layout, 'tickets', 'production');
  expect(await findVersion(layout, 'tickets', 'production')).toBeUndefined();
  expect((await findVersion(layout, 'tickets', two.digest))?.tags).toEqual(['mlx/tickets:v2']);
});

test('many tags at once are all kept', async () => {
  const layout = scratchFolder();
  const { digest } = await packageVersion(layout, contents(1), quiet, noSignal);
  const names = Array.from({ length: 12 }, (_, index) => `tag-${index}`);
  await Promise.all(names.map((name) => tagVersion(layout, 'tickets', digest, name)));

  expect(await readTags(layout)).toHaveLength(13);
});

test('packaging that is interrupted leaves no tag, no half blob, and can be repeated', async () => {
  const layout = scratchFolder();
  const stop = new AbortController();
  const interrupted = packageVersion(layout, contents(1), () => stop.abort(), stop.signal);

  await expect(interrupted).rejects.toThrow();
  expect(await findVersion(layout, 'tickets', 'v1')).toBeUndefined();
  expect(readdirSync(join(layout, 'blobs')).filter((name) => name.endsWith('.partial'))).toEqual([]);
  expect((await packageVersion(layout, contents(1), quiet, noSignal)).tags).toEqual(['mlx/tickets:v1']);
});

test('a file that vanished while packaging fails the packaging and nothing else', async () => {
  const layout = scratchFolder();
  const broken = contents(1);
  rmSync(broken.files[1]?.source ?? '');

  await expect(packageVersion(layout, broken, quiet, noSignal)).rejects.toMatchObject({ code: 'ENOENT' });
  expect(existsSync(join(layout, 'index.json'))).toBe(false);
});

test('a version is unpacked once, and again when somebody changed what was unpacked', async () => {
  const layout = scratchFolder();
  const { digest } = await packageVersion(layout, contents(1), quiet, noSignal);
  const folder = await unpackVersion(layout, digest);
  const weights = join(folder, 'adapter', 'adapter_model.safetensors');

  expect(readFileSync(weights, 'utf8')).toBe('weights');
  writeFileSync(weights, 'swapped');
  writeFileSync(join(folder, 'evil.py'), 'x');
  expect(await unpackVersion(layout, digest)).toBe(folder);
  expect(readFileSync(weights, 'utf8')).toBe('weights');
  expect(existsSync(join(folder, 'evil.py'))).toBe(false);
});

test('a layer that was changed on the disk is never unpacked', async () => {
  const layout = scratchFolder();
  const { digest } = await packageVersion(layout, contents(1), quiet, noSignal);
  const manifest = JSON.parse(readFileSync(blobFile(layout, digest), 'utf8')) as { layers: [{ digest: string }] };
  const layer = blobFile(layout, manifest.layers[0].digest);
  writeFileSync(layer, readFileSync(layer, 'utf8').replace('weights', 'swapped'));

  await expect(unpackVersion(layout, digest)).rejects.toMatchObject({ code: 'IMAGE_CORRUPT' });
  expect(existsSync(join(layout, 'unpacked'))).toBe(false);
});

test('an index that is cut off is named, never taken for an empty one', async () => {
  const layout = scratchFolder();
  await packageVersion(layout, contents(1), quiet, noSignal);
  writeFileSync(join(layout, 'index.json'), '{"schemaVersion":');

  await expect(findVersion(layout, 'tickets', 'v1')).rejects.toMatchObject({ code: 'IMAGES_CORRUPT' });
});
