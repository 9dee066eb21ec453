// A lock whose image is no longer today's: the very image of the lock trains again, to the same bytes; and what `mlx gc` may remove.
import { mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import Docker from 'dockerode';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { packageRoot, projectPaths } from '../../src/config/paths.js';
import { imageRecipe } from '../../src/engine/docker/image-recipes.js';
import { mlx, mlxJson } from '../command/mlx.js';
import { testEnvironment } from '../host/project.js';
import { removeProject } from './project.js';

type Replays = {
  replays: { verdict: string; restored: string[]; fields: { field: string; status: string; allowed: boolean }[] }[];
};

const docker = new Docker();
const answers = await docker.ping().then(
  () => true,
  () => false,
);
const folder = realpathSync(mkdtempSync(join(tmpdir(), 'mlx-docker-')));
const at = { folder, environment: testEnvironment(folder) };
const otherBase = `mlx-test-base:${folder.slice(-6).toLowerCase()}`;

describe.skipIf(!answers)(
  `a lock of a training in a container${answers ? '' : ' (skipped: no Docker Engine answers)'}`,
  () => {
    beforeAll(async () => {
      await mlx(['init'], at);
      writeFileSync(join(folder, 'mlx.yaml'), 'engine: docker\nmlflow: { enabled: false }\n');
      const trained = await mlx(['train', 'recipes/ci/smoke.yaml'], at);
      if (trained.status !== 0) throw new Error(trained.stderr);
    });

    afterAll(async () => {
      await removeProject(projectPaths(folder, at.environment));
      await docker.getImage(otherBase).remove();
    });

    test('replays to the same bytes while the image is today’s', async () => {
      const { value } = await mlxJson(['replay', 'recipes/ci/smoke.yaml'], at);
      expect(value).toMatchObject({ replays: [{ verdict: 'identical', restored: [] }] });
    });

    test('replays in the image of the lock when today’s would be another, which is not built', async () => {
      const [repo = '', tag = ''] = otherBase.split(':');
      await docker.getImage('python:3.11-slim-bookworm').tag({ repo, tag });
      writeFileSync(
        join(folder, 'mlx.yaml'),
        `engine: docker\ndocker: { base_image: '${otherBase}' }\nmlflow: { enabled: false }\n`,
      );
      const check = await mlxJson(['replay', 'recipes/ci/smoke.yaml', '--check'], at);
      expect(driftOf(check.value)).toEqual(['runtime.reference']);
      const { value } = await mlxJson(['replay', 'recipes/ci/smoke.yaml'], at);
      expect(value).toMatchObject({ replays: [{ verdict: 'identical' }] });
      expect((value as Replays).replays[0]?.restored.join()).toMatch(/^runtime sha256:[0-9a-f]{64} of the lock/);
      const today = imageRecipe(packageRoot(), 'trainer', { baseImage: otherBase, gpu: false });
      await expect(docker.getImage(today.reference).inspect()).rejects.toMatchObject({ statusCode: 404 });
    });

    test('keeps its image from mlx gc --runtimes, which offers it once no lock and no run names it', async () => {
      const image = /^ {2}id: (?<id>sha256:[0-9a-f]+)$/m.exec(
        readFileSync(join(folder, 'recipes/ci/smoke.lock.yaml'), 'utf8'),
      )?.groups?.['id'];
      const offered = async () => {
        const { value } = await mlxJson(['gc', '--runtimes', '--dry-run'], at);
        return (value as { would_remove: { name: string }[] }).would_remove.map(({ name }) => name);
      };
      expect(await offered()).not.toContain(image);
      rmSync(join(folder, 'recipes/ci/smoke.lock.yaml'));
      const { value } = await mlxJson(['runs', 'ls'], at);
      for (const { run } of (value as { runs: { run: string }[] }).runs) await mlx(['runs', 'rm', run, '--yes'], at);
      expect(await offered()).toContain(image);
    });
  },
);

function driftOf(value: unknown): string[] {
  const fields = (value as Replays).replays.flatMap((report) => report.fields);
  return fields.filter(({ status, allowed }) => status === 'drift' && !allowed).map(({ field }) => field);
}

afterAll(() => rmSync(folder, { recursive: true, force: true }));
