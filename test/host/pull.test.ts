// fetch.py and huggingface_hub for real, against a small hub on this machine.
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { expect, test, vi } from 'vitest';

import { MlxError } from '../../src/errors.js';
import { findBaseModel, pullBaseModel, type BaseModel } from '../../src/training/base-model.js';
import { hostProject, type HostProject } from './host-project.js';
import { standInHub, type StandInHub } from './stand-in-hub.js';

const wanted = { repository: 'Acme/Tiny', revision: 'main' };

/** A tensor that huggingface_hub needs several reads for. */
function weights(mebibytes: number): Buffer {
  const bytes = Buffer.alloc(mebibytes * 1024 ** 2, 'weights!');
  const header = Buffer.from(
    JSON.stringify({ w: { dtype: 'U8', shape: [bytes.length], data_offsets: [0, bytes.length] } }),
  );
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  return Buffer.concat([length, header, bytes]);
}

function tinyModel(mebibytes = 1): Record<string, Buffer> {
  return {
    'config.json': Buffer.from('{"model_type":"qwen3"}'),
    'tokenizer.json': Buffer.from('{}'),
    'model.safetensors': weights(mebibytes),
    'README.md': Buffer.from('not needed'),
    'pytorch_model.bin': Buffer.from('never fetched'),
  };
}

type Hooks = {
  environment?: NodeJS.ProcessEnv;
  verify?: boolean;
  signal?: AbortSignal;
  onProgress?: (line: string, fraction?: number) => void;
};

async function openProject(hub: StandInHub) {
  const project = await hostProject();
  const models = join(project.paths.project, 'models');
  const home = { ...project.paths, models };
  return { models, home, pull: (hooks: Hooks = {}) => pull(project, home, hub, hooks) };
}

function pull(project: HostProject, home: HostProject['paths'], hub: StandInHub, hooks: Hooks): Promise<BaseModel> {
  const { environment = {}, verify = false, signal = new AbortController().signal } = hooks;
  const edges = {
    home,
    projectFolder: project.paths.project,
    environment: { HOME: project.paths.project, HF_ENDPOINT: hub.endpoint, NO_PROXY: '127.0.0.1', ...environment },
    engine: () => Promise.resolve(project.engine),
    onProgress: hooks.onProgress ?? (() => undefined),
    signal,
  };
  return pullBaseModel(edges, wanted, { verify });
}

async function failureOf(promise: Promise<unknown>): Promise<MlxError> {
  const error: unknown = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (error instanceof MlxError) return error;
  throw new Error('it went well, or failed in another way', { cause: error });
}

test('a pull brings one commit, safe files only, with their hashes, and the next one asks only what main is', async () => {
  const hub = await standInHub(tinyModel());
  const { pull, home } = await openProject(hub);
  const lines: string[] = [];
  const model = await pull({ onProgress: (line) => lines.push(line) });
  expect(model).toMatchObject({ repository: 'Acme/Tiny', commit: hub.commit });
  expect(readdirSync(model.folder).sort()).toEqual([
    'config.json',
    'mlx-manifest.json',
    'model.safetensors',
    'tokenizer.json',
  ]);
  expect(readFileSync(join(model.folder, 'model.safetensors')).equals(weights(1))).toBe(true);
  expect(lines.some((line) => line.startsWith('fetched '))).toBe(true);
  expect(findBaseModel(home, 'Acme/Tiny', hub.commit)).toEqual(model);

  hub.seen.length = 0;
  expect(await pull()).toEqual(model);
  expect(hub.seen.map(({ path }) => path)).toEqual(['/api/models/Acme/Tiny/revision/main']);
});

test('an interrupted pull leaves nothing to use, and goes on where it stopped', async () => {
  const hub = await standInHub(tinyModel(24));
  hub.stallAfterBytes = 14 * 1024 ** 2;
  const { pull, models, home } = await openProject(hub);
  const stop = new AbortController();
  const partial = join(models, 'Acme', 'Tiny', 'main.partial');
  const arrived = (): number =>
    readdirSync(partial)
      .filter((name) => name.startsWith('model.safetensors'))
      .reduce((bytes, name) => bytes + statSync(join(partial, name)).size, 0);
  const pulling = failureOf(pull({ signal: stop.signal }));
  await vi.waitUntil(() => existsSync(partial) && arrived() >= 10 * 1024 ** 2, { timeout: 60_000 });
  stop.abort();
  expect(await pulling).toMatchObject({ code: 'INTERRUPTED', exitStatus: 130 });
  expect(findBaseModel(home, 'Acme/Tiny', hub.commit)).toBeUndefined();
  expect(readdirSync(join(models, 'Acme', 'Tiny'))).toEqual(['main.partial']);

  hub.stallAfterBytes = undefined;
  hub.seen.length = 0;
  const model = await pull();
  expect(readFileSync(join(model.folder, 'model.safetensors')).equals(weights(24))).toBe(true);
  const fetched = hub.seen.filter(({ method, path }) => method === 'GET' && path.endsWith('model.safetensors'));
  expect(fetched).toHaveLength(1);
  expect(Number(/^bytes=(\d+)-$/.exec(fetched[0]?.range ?? '')?.[1])).toBeGreaterThanOrEqual(10 * 1024 ** 2);
  expect(hub.seen.some(({ method, path }) => method === 'GET' && path.endsWith('config.json'))).toBe(false);
});

test('a damaged model is mended: only what is wrong is fetched again', async () => {
  const hub = await standInHub(tinyModel());
  const { pull } = await openProject(hub);
  const { folder } = await pull();
  writeFileSync(join(folder, 'model.safetensors'), weights(1).fill('x', 100));
  hub.seen.length = 0;
  const mended = await pull({ verify: true });
  expect(mended.folder).toBe(folder);
  const fetched = hub.seen.filter(({ method, path }) => method === 'GET' && path.includes('/resolve/'));
  expect(fetched.map(({ path }) => path.split('/').at(-1))).toEqual(['model.safetensors']);
  expect(readFileSync(join(folder, 'model.safetensors')).equals(weights(1))).toBe(true);
});

test('weights that are not what the hub says they are never come into use', async () => {
  const hub = await standInHub(tinyModel());
  hub.wrongHash = true;
  const { pull, home, models } = await openProject(hub);
  const error = await failureOf(pull());
  expect(error).toMatchObject({ code: 'HASH_MISMATCH' });
  expect(error.message).toContain('model.safetensors');
  expect(findBaseModel(home, 'Acme/Tiny', hub.commit)).toBeUndefined();
  expect(existsSync(join(models, 'Acme', 'Tiny', hub.commit))).toBe(false);
});

test('a repository that needs its own Python, or offers pickles only, is refused', async () => {
  const withCode = { ...tinyModel(), 'config.json': Buffer.from('{"auto_map":{"AutoModel":"own.Model"}}') };
  const picklesOnly = { 'config.json': Buffer.from('{}'), 'pytorch_model.bin': Buffer.from('never fetched') };
  for (const files of [withCode, picklesOnly]) {
    const hub = await standInHub(files);
    const { pull } = await openProject(hub);
    expect(await failureOf(pull())).toMatchObject({ code: 'MODEL_UNSAFE' });
    expect(hub.seen.some(({ path }) => path.endsWith('.safetensors') || path.endsWith('.bin'))).toBe(false);
  }
});

test('an absent repository, a gated one and a hub that is away are told apart', async () => {
  const hub = await standInHub(tinyModel());
  const { pull } = await openProject(hub);
  hub.gated = true;
  expect(await failureOf(pull())).toMatchObject({
    code: 'MODEL_GATED',
    hint: expect.stringContaining('HF_TOKEN') as string,
  });
  hub.gated = false;
  hub.token = 'needed';
  expect(await failureOf(pull())).toMatchObject({ code: 'NOT_FOUND', exitStatus: 2 });
  const away = { HF_ENDPOINT: 'http://127.0.0.1:9', HF_HUB_ETAG_TIMEOUT: '2' };
  expect(await failureOf(pull({ environment: away }))).toMatchObject({ code: 'OFFLINE' });
});

test('HF_TOKEN is sent, and appears in no error', async () => {
  const hub = await standInHub(tinyModel());
  hub.token = 'hf_rightToken';
  const { pull } = await openProject(hub);
  const refused = await failureOf(pull({ environment: { HF_TOKEN: 'hf_wrongToken' } }));
  expect(JSON.stringify([refused.message, refused.hint, refused.problems])).not.toContain('hf_wrongToken');
  await expect(pull({ environment: { HF_TOKEN: 'hf_rightToken' } })).resolves.toMatchObject({ commit: hub.commit });
  expect(hub.seen.at(-1)?.authorization).toBe('Bearer hf_rightToken');
});

test('HF_HUB_OFFLINE uses what is there and asks nobody', async () => {
  const hub = await standInHub(tinyModel());
  const { pull } = await openProject(hub);
  expect(await failureOf(pull({ environment: { HF_HUB_OFFLINE: '1' } }))).toMatchObject({ code: 'OFFLINE' });
  expect(hub.seen).toEqual([]);
  const model = await pull();
  hub.seen.length = 0;
  expect(await pull({ environment: { HF_HUB_OFFLINE: '1' } })).toEqual(model);
  expect(hub.seen).toEqual([]);
});
