import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, it, vi } from 'vitest';

import { ensureBaseModel, findBaseModel } from '../../../src/training/base-model.js';
import { fetcher, firstCommit, newHub, partials, place, repository } from './hub.js';

describe('a base model that is absent', () => {
  it('is fetched by a job that may reach the outside, and stands under its commit with a manifest', async () => {
    const { engine, ensure, models, environment } = place(fetcher(newHub()));
    Object.assign(environment, { HF_TOKEN: 'hf_secret', HTTPS_PROXY: 'http://proxy.test:3128', AWS_SECRET: 'no' });
    const model = await ensure();
    expect(model).toEqual({
      repository,
      commit: firstCommit,
      folder: join(models, 'Acme', 'Tiny', firstCommit),
      sizeBytes: 47,
    });
    expect(engine.jobs).toHaveLength(1);
    expect(engine.jobs[0]).toMatchObject({
      runtime: 'trainer',
      argv: ['fetch.py', '--repository', repository, '--revision', 'main', '--out', '{out}'],
      network: 'outside',
      environment: { HF_TOKEN: 'hf_secret', HTTPS_PROXY: 'http://proxy.test:3128', HF_HUB_DISABLE_TELEMETRY: '1' },
    });
    expect(engine.jobs[0]?.environment).not.toHaveProperty('AWS_SECRET');
    const manifest = JSON.parse(readFileSync(join(model.folder, 'mlx-manifest.json'), 'utf8')) as { files: object[] };
    expect(manifest).toMatchObject({
      schema: 1,
      repository,
      commit: firstCommit,
      source: 'hub https://huggingface.co',
    });
    expect(manifest.files).toMatchObject([
      { path: 'config.json', size: 8 },
      { path: 'model.safetensors', size: 39 },
    ]);
    expect(readdirSync(model.folder).sort()).toEqual(['config.json', 'mlx-manifest.json', 'model.safetensors']);
    expect(partials(models)).toEqual([]);
  });

  it('takes the token that a login left behind', async () => {
    const { engine, ensure, project } = place(fetcher(newHub()));
    mkdirSync(join(project, '.cache', 'huggingface'), { recursive: true });
    writeFileSync(join(project, '.cache', 'huggingface', 'token'), 'hf_login\n');
    await ensure();
    expect(engine.jobs[0]?.environment['HF_TOKEN']).toBe('hf_login');
  });

  it('is not fetched when HF_HUB_OFFLINE says so', async () => {
    const { engine, ensure, environment } = place(fetcher(newHub()));
    environment['HF_HUB_OFFLINE'] = '1';
    await expect(ensure()).rejects.toMatchObject({ code: 'OFFLINE' });
    expect(engine.jobs).toEqual([]);
  });

  it.each([
    ['NOT_FOUND', 'NOT_FOUND'],
    ['GATED', 'MODEL_GATED'],
    ['OFFLINE', 'OFFLINE'],
    ['UNSAFE', 'MODEL_UNSAFE'],
    ['HASH_MISMATCH', 'HASH_MISMATCH'],
    ['DISK_FULL', 'DISK_FULL'],
    ['INTERNAL', 'PULL_FAILED'],
  ])('ends a job that says %s as %s, with a next step', async (said, code) => {
    const { ensure } = place(({ say }) => {
      say({ event: 'error', code: said, message: 'why' });
      return { status: 1 };
    });
    await expect(ensure()).rejects.toMatchObject({
      code,
      message: expect.stringContaining('why') as string,
      hint: expect.any(String) as string,
    });
  });

  it('whose job dies without a word shows its last line', async () => {
    const { ensure } = place(({ log }) => {
      log('Segmentation fault');
      return { status: null, signal: 'SIGSEGV' };
    });
    await expect(ensure()).rejects.toMatchObject({
      code: 'PULL_FAILED',
      message: 'Acme/Tiny could not be fetched: Segmentation fault',
    });
  });

  it('that turns out to be unsafe leaves nothing behind', async () => {
    const hub = newHub();
    hub.files['modeling.py'] = 'import os';
    const { ensure, models } = place(fetcher(hub));
    await expect(ensure()).rejects.toMatchObject({ code: 'MODEL_UNSAFE' });
    expect(existsSync(join(models, 'Acme', 'Tiny', firstCommit))).toBe(false);
    expect(partials(models)).toEqual([]);
  });

  it('whose files are shorter on disk than fetched is refused', async () => {
    const { ensure, models } = place(({ folder, say }) => {
      writeFileSync(join(folder('out'), 'model.safetensors'), 'cut');
      const files = [{ path: 'model.safetensors', size: 39, sha256: 'f'.repeat(64) }];
      say({ event: 'result', commit: firstCommit, files });
      return {};
    });
    await expect(ensure()).rejects.toMatchObject({ code: 'HASH_MISMATCH' });
    expect(existsSync(join(models, 'Acme', 'Tiny', firstCommit))).toBe(false);
  });

  it('may not be written outside its folder by what the job says', async () => {
    const { ensure } = place(({ say }) => {
      say({ event: 'result', commit: firstCommit, files: [{ path: '../../x', size: 1, sha256: 'f' }] });
      return {};
    });
    await expect(ensure()).rejects.toMatchObject({ code: 'PULL_FAILED' });
  });
});

describe('an interrupted download', () => {
  it('is kept, never used, and goes on at the next try', async () => {
    const stop = new AbortController();
    const hub = newHub();
    const { engine, ensure, models, home } = place(async ({ folder, say, waitForStop }) => {
      say({ event: 'resolved', commit: firstCommit });
      writeFileSync(join(folder('out'), 'config.json'), '{"a": 1}');
      stop.abort();
      await waitForStop();
      return { status: 130 };
    }, stop.signal);
    await expect(ensure()).rejects.toMatchObject({ code: 'INTERRUPTED', exitStatus: 130 });
    expect(findBaseModel(home, repository, firstCommit)).toBeUndefined();
    expect(readFileSync(join(models, 'Acme', 'Tiny', 'main.partial', 'config.json'), 'utf8')).toBe('{"a": 1}');

    let foundEarlier = false;
    engine.trainer = (inside) => {
      foundEarlier = existsSync(join(inside.folder('out'), 'config.json'));
      return fetcher(hub)(inside);
    };
    const again = new AbortController().signal;
    const wanted = { repository, revision: 'main' };
    const model = await ensureBaseModel(engine, home, '/', wanted, {}, () => undefined, again);
    expect(foundEarlier).toBe(true);
    expect(model.commit).toBe(firstCommit);
    expect(partials(models)).toEqual([]);
  });
});

describe('two at once', () => {
  it('fetch it once: the second waits and then finds it', async () => {
    const hub = newHub();
    const { ensure, said, engine } = place(async (inside) => {
      // Whoever is second tells that it waits; only then does the first go on.
      await vi.waitUntil(() => said.some((line) => line.startsWith('waiting for process')));
      return fetcher(hub)(inside);
    });
    const [mine, theirs] = await Promise.all([ensure(), ensure()]);
    expect(mine).toEqual(theirs);
    expect(engine.jobs).toHaveLength(1);
  });

  it('a wait can be interrupted', async () => {
    const stop = new AbortController();
    const begun = new AbortController();
    const { ensure, engine, home } = place(async ({ waitForStop }) => {
      begun.abort();
      await waitForStop();
      return { status: 130 };
    }, stop.signal);
    const one = ensure();
    // Only who holds the lock runs the job: the other one has to wait from here on.
    await once(begun.signal, 'abort');
    const wanted = { repository, revision: 'main' };
    const second = new AbortController();
    const other = ensureBaseModel(engine, home, '/', wanted, {}, () => second.abort(), second.signal);
    await expect(other).rejects.toMatchObject({ code: 'INTERRUPTED' });
    stop.abort();
    await expect(one).rejects.toMatchObject({ code: 'INTERRUPTED' });
  });
});
