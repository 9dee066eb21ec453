import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';

import { findBaseModel, findKnownModel } from '../../../src/training/base-model.js';
import { demoRevision } from '../../../src/training/demo-base.js';
import { tinyWeights } from './examples.js';
import type { Trainer } from './fake-engine.js';
import { fetcher, firstCommit, newHub, place, repository, secondCommit } from './hub.js';

describe('a base model that is there', () => {
  it('is used without a job, by the commit that its branch was, even offline', async () => {
    const { engine, ensure, environment, said, home, project } = place(fetcher(newHub()));
    const fetched = await ensure();
    said.length = 0;
    environment['HF_HUB_OFFLINE'] = '1';
    expect(await ensure()).toEqual(fetched);
    expect(await ensure({ repository, revision: firstCommit })).toEqual(fetched);
    expect(findBaseModel(home, repository, firstCommit)).toEqual(fetched);
    expect(await findKnownModel(home, project, { repository, revision: 'main' })).toEqual(fetched);
    expect(engine.jobs).toHaveLength(1);
    expect(said).toEqual([]);
  });

  it('is read again when its times changed, and taken when its bytes are the same', async () => {
    const { ensure, said, home } = place(fetcher(newHub()));
    const { folder } = await ensure();
    utimesSync(join(folder, 'config.json'), 1, 1);
    expect(findBaseModel(home, repository, firstCommit)).toBeUndefined();
    await ensure();
    expect(said).toContain('verifying config.json');
    expect(findBaseModel(home, repository, firstCommit)).toBeDefined();
  });

  it.each([
    [
      'a changed byte',
      (folder: string) => writeFileSync(join(folder, 'config.json'), '{"a": 2}'),
      /config\.json has SHA-256/,
    ],
    ['a file that is gone', (folder: string) => rmSync(join(folder, 'config.json')), /config\.json is gone/],
    [
      'a file that came',
      (folder: string) => writeFileSync(join(folder, 'vocab.json'), '{}'),
      /vocab\.json was not there/,
    ],
  ])('with %s is refused by a run, named, and mended by pull', async (_, change, named) => {
    const { ensure, pull, engine } = place(fetcher(newHub()));
    const { folder } = await ensure();
    change(folder);
    const error = await ensure().then(
      () => undefined,
      (thrown: unknown) => thrown as { code: string; hint: string; problems: { file: string; message: string }[] },
    );
    expect(error).toMatchObject({
      code: 'HASH_MISMATCH',
      hint: expect.stringContaining('mlx pull Acme/Tiny@') as string,
    });
    expect(error?.problems.map((problem) => `${problem.file} ${problem.message}`).join()).toMatch(named);
    expect(await pull({ repository, revision: firstCommit })).toMatchObject({ folder });
    expect(engine.jobs).toHaveLength(2);
    await expect(ensure()).resolves.toMatchObject({ folder });
  });

  it('with the same size and times but another byte is found by --verify', async () => {
    const { ensure, pull, engine, said } = place(fetcher(newHub()));
    const { folder } = await ensure();
    const file = join(folder, 'config.json');
    const manifest = JSON.parse(readFileSync(join(folder, 'mlx-manifest.json'), 'utf8')) as {
      files: { mtime_ms: number }[];
    };
    writeFileSync(file, '{"a": 9}');
    const seconds = (manifest.files[0]?.mtime_ms ?? 0) / 1000;
    utimesSync(file, seconds, seconds);
    await pull({ repository, revision: firstCommit }, true);
    expect(engine.jobs).toHaveLength(2);
    expect(said.join('\n')).toContain('fetching it again');
    expect(readFileSync(file, 'utf8')).toBe('{"a": 1}');
  });

  it('without a manifest that can be read is fetched again', async () => {
    const { pull, engine } = place(fetcher(newHub()));
    const { folder } = await pull();
    writeFileSync(join(folder, 'mlx-manifest.json'), '{"schema": 99}');
    expect(await pull()).toMatchObject({ folder, commit: firstCommit });
    expect(await pull({ repository, revision: firstCommit })).toMatchObject({ folder });
    expect(engine.jobs).toHaveLength(2);
  });

  it('names the hub that it came from without the password in its address, in a file of ours alone', async () => {
    const { pull, environment } = place(fetcher(newHub()));
    environment['HF_ENDPOINT'] = 'https://ada:secret@mirror.example/hub';
    const manifest = join((await pull()).folder, 'mlx-manifest.json');
    expect(JSON.parse(readFileSync(manifest, 'utf8'))).toMatchObject({ source: 'hub https://mirror.example' });
    expect(statSync(manifest).mode & 0o777).toBe(0o600);
  });

  it('cannot be fetched into a home that refuses new files, which is named', async () => {
    const { ensure, home } = place(fetcher(newHub()));
    mkdirSync(home.home, { recursive: true });
    writeFileSync(home.models, 'in the way');
    await expect(ensure()).rejects.toMatchObject({ code: 'HOME_NOT_WRITABLE' });
  });

  it('that someone made unsafe is refused before it is used', async () => {
    const { ensure } = place(fetcher(newHub()));
    const { folder } = await ensure();
    writeFileSync(join(folder, 'modeling.py'), 'import os');
    await expect(ensure()).rejects.toMatchObject({ code: 'MODEL_UNSAFE' });
  });
});

describe('pull', () => {
  it('asks what a branch is today; a run stays with what it was', async () => {
    const hub = newHub();
    const { ensure, pull } = place(fetcher(hub));
    await ensure();
    hub.commit = secondCommit;
    expect((await ensure()).commit).toBe(firstCommit);
    expect((await pull()).commit).toBe(secondCommit);
    expect((await ensure()).commit).toBe(secondCommit);
    expect((await ensure({ repository, revision: firstCommit })).commit).toBe(firstCommit);
  });

  it('ends the download as soon as the hub names a commit that is there', async () => {
    const { pull, engine } = place(fetcher(newHub()));
    await pull();
    engine.trainer = async ({ say, waitForStop }) => {
      say({ event: 'resolved', commit: firstCommit });
      await waitForStop();
      return { status: 130 };
    };
    await expect(pull()).resolves.toMatchObject({ commit: firstCommit });
  });
});

describe('a folder as base model', () => {
  it('is hashed once, used in place, and has another commit when it changes', async () => {
    const { ensure, engine, said, project, home } = place(fetcher(newHub()));
    const folder = join(project, 'base');
    mkdirSync(folder);
    writeFileSync(join(folder, 'model.safetensors'), tinyWeights('mine'));
    writeFileSync(join(folder, 'config.json'), '{}');
    const first = await ensure({ path: 'base' });
    expect(first).toMatchObject({
      repository: folder,
      folder,
      commit: expect.stringMatching(/^[0-9a-f]{40}$/) as string,
    });
    expect(said).toEqual(['hashing config.json', 'hashing model.safetensors']);
    expect(await ensure({ path: 'base' })).toEqual(first);
    expect(said).toHaveLength(2);
    expect(findBaseModel(home, folder, first.commit)).toEqual(first);
    writeFileSync(join(folder, 'config.json'), '{"changed": true}');
    expect((await ensure({ path: 'base' })).commit).not.toBe(first.commit);
    expect(findBaseModel(home, folder, first.commit)).toBeUndefined();
    expect(engine.jobs).toEqual([]);
    expect(readdirSync(folder).sort()).toEqual(['config.json', 'model.safetensors']);
  });

  it('is used from a home that refuses new files, and verified each time', async () => {
    const { ensure, said, project, home } = place(fetcher(newHub()));
    mkdirSync(join(project, 'base'));
    writeFileSync(join(project, 'base', 'model.safetensors'), tinyWeights('mine'));
    mkdirSync(home.home, { recursive: true });
    writeFileSync(home.models, 'in the way');
    expect(await ensure({ path: 'base' })).toEqual(await ensure({ path: 'base' }));
    expect(said.join('\n')).toContain('may not be written to');
  });

  it('is refused when it is unsafe or absent', async () => {
    const { ensure, project } = place(fetcher(newHub()));
    mkdirSync(join(project, 'base'));
    writeFileSync(join(project, 'base', 'pytorch_model.bin'), 'pickle');
    await expect(ensure({ path: 'base' })).rejects.toMatchObject({ code: 'MODEL_UNSAFE' });
    await expect(ensure({ path: 'nowhere' })).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });
});

describe("the demo's base model", () => {
  const demo = { repository: 'mlx/demo-base', revision: 'main' };
  const maker: Trainer = ({ folder, say }) => {
    say({ event: 'step', step: 5, total_steps: 10, epoch: 0, loss: 2.5 });
    writeFileSync(join(folder('out'), 'model.safetensors'), tinyWeights('demo'));
    writeFileSync(join(folder('out'), 'config.json'), '{}');
    say({ event: 'result', duration_ms: 5, output: 'model' });
    return {};
  };

  it('is made without network, once, under the hash of what decides its bytes', async () => {
    const { ensure, engine, said, home } = place(maker);
    const model = await ensure(demo);
    expect(model).toMatchObject({ repository: 'mlx/demo-base', commit: demoRevision() });
    expect(engine.jobs).toMatchObject([{ argv: ['make_base.py', '--out', '{out}'], network: 'none', gpu: false }]);
    expect(said).toContain('base model: step 5 of 10, loss 2.50');
    expect(await ensure(demo)).toEqual(model);
    expect(engine.jobs).toHaveLength(1);
    expect(findBaseModel(home, 'mlx/demo-base', model.commit)).toEqual(model);
  });

  it('begins anew after a failure', async () => {
    const { ensure, engine } = place(({ folder, say }) => {
      writeFileSync(join(folder('out'), 'half.safetensors'), 'half');
      say({ event: 'error', code: 'OUT_OF_MEMORY', message: 'no memory left' });
      return { status: 1 };
    });
    await expect(ensure(demo)).rejects.toMatchObject({
      code: 'BASE_MODEL_FAILED',
      message: 'The base model of the demo was not made: no memory left',
    });
    engine.trainer = maker;
    const { folder } = await ensure(demo);
    expect(readdirSync(folder)).not.toContain('half.safetensors');
  });

  it('cannot be made as it was under another version', async () => {
    const { ensure } = place(maker);
    await expect(ensure({ ...demo, revision: firstCommit })).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });
});
