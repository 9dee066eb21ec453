// Adapters of other versions in a running server: what lies in its folder, and what is said to vLLM.
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import { labelObstacle, unloadFrom } from '../../../../src/engine/docker/adapter-servers.js';
import {
  adaptersFolder,
  findCarrier,
  listAdapters,
  markLoaded,
  recordAdapter,
  removeAdapter,
} from '../../../../src/engine/docker/adapters.js';
import type { DockerEdges } from '../../../../src/engine/docker/edges.js';
import { loadAdapter, unloadAdapter } from '../../../../src/engine/docker/lora-client.js';
import { startStandIn, type StandIn } from '../../gateway/stand-in.js';

let run: string;

beforeEach(() => {
  run = mkdtempSync(join(tmpdir(), 'mlx-adapters-'));
});

afterEach(() => rmSync(run, { recursive: true }));

describe('the folder of a server', () => {
  const edges = () => ({ paths: { run } });
  const adapter = (id: string, version: number) => {
    return {
      id,
      carrierId: 'tickets-v1-a',
      model: 'tickets',
      version,
      digest: `sha256:${version}`,
      startedAtMs: version,
    };
  };

  test('says which versions are in it, the oldest first, and which of them vLLM has taken', () => {
    mkdirSync(adaptersFolder(edges(), 'tickets-v1-a'), { recursive: true });
    recordAdapter(edges(), adapter('tickets-v3-c', 3));
    markLoaded(recordAdapter(edges(), adapter('tickets-v2-b', 2)));
    expect(listAdapters(edges(), 'tickets-v1-a')).toEqual([
      { ...adapter('tickets-v2-b', 2), loaded: true },
      { ...adapter('tickets-v3-c', 3), loaded: false },
    ]);
    expect([findCarrier(edges(), 'tickets-v3-c'), findCarrier(edges(), 'tickets-v1-a')]).toEqual([
      'tickets-v1-a',
      undefined,
    ]);
  });

  test('has one that a crash left without a word of what it is, and lets it be taken away', () => {
    const folder = join(adaptersFolder(edges(), 'tickets-v1-a'), 'tickets-v2-b');
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'server.json.part'), '{"mod');
    expect(listAdapters(edges(), 'tickets-v1-a')).toEqual([]);
    expect(findCarrier(edges(), 'tickets-v2-b')).toBe('tickets-v1-a');
    removeAdapter(edges(), 'tickets-v1-a', 'tickets-v2-b');
    removeAdapter(edges(), 'tickets-v1-a', 'tickets-v2-b');
    expect(existsSync(folder)).toBe(false);
  });

  test('of a server that never took any is none', () => {
    expect([listAdapters(edges(), 'x'), findCarrier(edges(), 'x')]).toEqual([[], undefined]);
  });
});

describe('what is said to vLLM', () => {
  let server: StandIn;

  beforeEach(async () => {
    server = await startStandIn(join(run, 'v.sock'), ({ answer }) => answer.writeHead(200).end('Success'));
  });

  afterEach(() => server.close());

  test('loads under a name, never in place', async () => {
    expect(await loadAdapter(server.address, 'tickets-v2-b', '/mlx/adapters/x')).toEqual({
      status: 200,
      text: 'Success',
    });
    const [call] = server.calls;
    expect([call?.path, JSON.parse(call?.body ?? '')]).toEqual([
      '/v1/load_lora_adapter',
      { lora_name: 'tickets-v2-b', lora_path: '/mlx/adapters/x' },
    ]);
  });

  test('unloads; a server that does not run has nothing left to unload', async () => {
    expect(await unloadAdapter(server.address, 'tickets-v2-b')).toMatchObject({ status: 200 });
    expect(server.calls[0]).toMatchObject({ path: '/v1/unload_lora_adapter', body: '{"lora_name":"tickets-v2-b"}' });
    expect(await unloadAdapter(`unix:${join(run, 'gone.sock')}`, 'x')).toBeUndefined();
  });
});

describe('an adapter that is taken away', () => {
  const adapter = {
    id: 'tickets-v2-b',
    carrierId: 'tickets-v1-a',
    model: 'tickets',
    version: 2,
    digest: 'd',
    startedAtMs: 1,
  };
  const listed = () => listAdapters({ paths: { run } }, 'tickets-v1-a').map(({ id, loaded }) => ({ id, loaded }));
  let server: StandIn;
  let status = 200;

  /** Its copier is gone already, which is all that is asked of Docker here. */
  const edges = () => {
    const remove = () => Promise.reject(Object.assign(new Error('no such container'), { statusCode: 404 }));
    const docker = { getContainer: () => ({ remove }) };
    return { paths: { run, projectId: 'p' }, connection: { docker } } as unknown as DockerEdges;
  };

  beforeEach(async () => {
    mkdirSync(adaptersFolder({ paths: { run } }, 'tickets-v1-a'), { recursive: true });
    markLoaded(recordAdapter({ paths: { run } }, adapter));
    server = await startStandIn(join(run, 'v.sock'), ({ answer }) => answer.writeHead(status).end('words'));
  });

  afterEach(() => server.close());

  const takeAway = () => unloadFrom(edges(), { id: 'tickets-v1-a', address: server.address }, 'tickets-v2-b');

  test.each([200, 404])('is gone once vLLM has said so (%i)', async (answered) => {
    status = answered;
    await takeAway();
    expect(listed()).toEqual([]);
  });

  test('stays listed where vLLM did not, and is taken away by the next try; a restart does not load it', async () => {
    status = 500;
    await expect(takeAway()).rejects.toMatchObject({ code: 'ADAPTER_REFUSED' });
    expect(listed()).toEqual([{ id: 'tickets-v2-b', loaded: false }]);
    status = 200;
    await takeAway();
    expect(listed()).toEqual([]);
  });
});

describe('images', () => {
  const own = {
    'mlx.loads_adapters': '1',
    'mlx.base_model': 'a/b',
    'mlx.base_commit': 'c0ffee',
    'org.opencontainers.image.base.digest': 'sha256:s',
  };
  const other = { ...own, 'mlx.adapter_sha256': 'aa' };

  test.each([
    ['fit', own, other, null],
    ['are of another base model', own, { ...other, 'mlx.base_commit': 'x' }, 'another base model'],
    ['have other packages', own, { ...other, 'org.opencontainers.image.base.digest': 'x' }, 'other server packages'],
    ['name no hash', own, own, 'does not say what its adapter must be'],
    ['are too old', { ...own, 'mlx.loads_adapters': '' }, other, 'could not load adapters later'],
  ])('that %s', (_title, first, second, expected) => {
    const obstacle = labelObstacle(first, second);
    if (expected === null) expect(obstacle).toBeNull();
    else expect(obstacle).toContain(expected);
  });
});
