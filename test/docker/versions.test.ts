// Model versions as images on a real Engine.
import { utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import Docker from 'dockerode';
import { beforeAll, describe, expect, test } from 'vitest';

import type { VersionContents } from '../../src/engine/engine.js';
import { never, quiet } from './probe.js';
import { otherProject, sharedProject, type DockerProject } from './project.js';

const docker = new Docker();

const { project, skipped, why } = await sharedProject();

describe.skipIf(skipped)(`a model version as an image${why}`, () => {
  beforeAll(async () => {
    await project().engine.prepareRuntime('server', quiet, never);
  });

  const version = (project: DockerProject, model: string, more: Partial<VersionContents> = {}): VersionContents => {
    const settings = join(project.folder, 'settings.json');
    const card = join(project.folder, 'card.md');
    writeFileSync(settings, '{"schema":1}');
    writeFileSync(card, '# card');
    const files = [
      { path: 'settings.json', source: settings },
      { path: 'adapter/README.md', source: card },
    ];
    return { model, version: 1, files, labels: { 'mlx.run': 'r1' }, ...more };
  };
  const model = () => `test-${project().paths.projectId}`;

  test('has the same digest each time it is packaged, whatever the times and order of its files', async () => {
    const shared = project();
    const contents = version(shared, model());
    const first = await shared.engine.packageVersion(contents, quiet, never);
    await shared.engine.untagVersion(model(), 'v1');
    const again = version(shared, model());
    for (const { source } of again.files) utimesSync(source, 1_000_000, 1_000_000);
    const second = await shared.engine.packageVersion({ ...again, files: again.files.reverse() }, quiet, never);
    expect(second.digest).toBe(first.digest);
    expect(first).toMatchObject({ tags: [`mlx/${model()}:v1`], labels: { 'mlx.run': 'r1', 'mlx.version': '1' } });
  });

  test('keeps its tag: other contents under the same number are refused and leave no image', async () => {
    const shared = project();
    const { digest } = await shared.engine.packageVersion(version(shared, model()), quiet, never);
    const other = version(shared, model(), { labels: { 'mlx.run': 'r2' } });
    await expect(shared.engine.packageVersion(other, quiet, never)).rejects.toMatchObject({
      code: 'VERSION_EXISTS',
    });
    expect((await shared.engine.findVersion(model(), 'v1'))?.digest).toBe(digest);
    const filters = { label: ['mlx.run=r2', `mlx.model=${model()}`] };
    expect(await docker.listImages({ all: true, filters })).toEqual([]);
  });

  test('is pointed at by tags that move, and is found by each of its names', async () => {
    const { engine } = project();
    const one = await engine.packageVersion(version(project(), model()), quiet, never);
    const two = await engine.packageVersion(version(project(), model(), { version: 2 }), quiet, never);
    await engine.tagVersion(model(), one.digest, 'production');
    await engine.tagVersion(model(), two.digest, 'production');
    expect((await engine.findVersion(model(), 'production'))?.digest).toBe(two.digest);
    expect((await engine.findVersion(model(), two.digest))?.tags.sort()).toEqual([
      `mlx/${model()}:production`,
      `mlx/${model()}:v2`,
    ]);
    await engine.untagVersion(model(), 'production');
    await engine.untagVersion(model(), 'production');
    expect(await engine.findVersion(model(), 'production')).toBeUndefined();
    expect(await engine.findVersion('other', two.digest)).toBeUndefined();
    await expect(engine.tagVersion(model(), one.digest, 'v2')).rejects.toMatchObject({ code: 'VERSION_EXISTS' });
  });

  test('does not take a name that another project uses', async () => {
    const other = await otherProject();
    await project().engine.packageVersion(version(project(), model()), quiet, never);
    await expect(other.engine.packageVersion(version(other, model()), quiet, never)).rejects.toMatchObject({
      code: 'MODEL_NAME_TAKEN',
      hint: expect.stringMatching(new RegExp(`docker image rm .*mlx/${model()}:v1( |$)`)),
    });
  });
});
