// `mlx rollback` while a version has a share of the requests: what is said of doing it again, which would mean production.
import { createServer, type AddressInfo } from 'node:net';

import { beforeEach, expect, onTestFinished, test } from 'vitest';

import { freePort } from '../../src/engine/port.js';
import { findRoute, setRoute } from '../../src/ledger/promotions.js';
import { findSplit, setSplit } from '../../src/ledger/route-splits.js';
import { mlx, mlxJson } from './mlx.js';
import { modelsProject, released } from './models-project.js';
import type { Place } from './runs-project.js';

let place: Place;
let environment: NodeJS.ProcessEnv;

beforeEach(async () => {
  place = modelsProject();
  environment = { PATH: process.env['PATH'], DOCKER_HOST: 'unix:///no/such/docker.sock' };
  environment['MLX_GATEWAY_PORT'] = String(await freePort());
  onTestFinished(async () => void (await mlx(['gateway', 'stop'], settings())));
});

const settings = () => ({ folder: place.folder, environment });
const run = (...argv: string[]) => mlx(argv, settings());

/** Version 1 is live, version 2 has 5 %; its server is nowhere. */
function divided(engine: 'docker' | 'host'): void {
  const route = { model: 'tickets', engine, address: 'unix:/nowhere', updatedAtMs: 1 };
  setRoute(place.ledger, { ...route, name: 'tickets', version: 1, digest: 'sha256:1', serverId: 'a' });
  setRoute(place.ledger, { ...route, name: 'tickets@canary', version: 2, digest: 'sha256:2', serverId: 'b' });
  const share = { name: 'tickets', kind: 'canary', candidate: 'tickets@canary', percent: 5, sticky: 'key' } as const;
  setSplit(place.ledger, { ...share, owner: null });
}

test('says what another one would do, where it would do something', async () => {
  released(place, null, 1, 'promoted', null);
  divided('host');
  expect((await run('rollback', '--dry-run')).stdout).toMatch(/would be taken back; version 1 has all requests\.\n$/);
  expect((await run('rollback')).stdout).toMatch(/is taken back; version 1 has all requests\.\n$/);
  released(place, 1, 2, 'promoted', null);
  released(place, 2, 1, 'promoted', null);
  divided('host');
  expect((await run('rollback')).stdout).toMatch(
    /version 1 has all requests\. Another mlx rollback takes production back to version 2\.\n$/,
  );
});

test('that fails once the share is gone does not tell to repeat it: production would go back', async () => {
  divided('docker');
  const { status, value } = await mlxJson(['rollback', '-m', 'worse'], settings());
  expect([status, findSplit(place.ledger, 'tickets'), findRoute(place.ledger, 'tickets@canary')]).toEqual([
    3,
    undefined,
    undefined,
  ]);
  expect(value).toMatchObject({
    error: {
      code: 'DOCKER_UNREACHABLE',
      message: expect.stringMatching(
        /^The share of tickets:2 is taken back, but what comes after it failed: No Docker Engine/,
      ),
      hint: expect.stringMatching(
        /\. Then: mlx releases recover\. Not mlx rollback again: it would take production of tickets back$/,
      ),
    },
  });
});

test('that fails once nobody gets the share any more, and its route stands, does not tell to repeat it either', async () => {
  released(place, null, 2, 'promoted', null);
  released(place, 2, 1, 'promoted', null);
  divided('host');
  const holder = createServer();
  await new Promise<void>((resolve) => holder.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void holder.close());
  environment['MLX_GATEWAY_PORT'] = String((holder.address() as AddressInfo).port);
  const failed = await mlxJson(['rollback'], settings());
  expect([findSplit(place.ledger, 'tickets'), findRoute(place.ledger, 'tickets@canary')?.version]).toEqual([
    undefined,
    2,
  ]);
  expect(failed.value).toMatchObject({
    error: {
      code: 'PORT_TAKEN',
      hint: expect.stringMatching(/^.+\. Then: mlx releases recover\. Not mlx rollback again: /),
    },
  });
  environment['MLX_GATEWAY_PORT'] = String(await freePort());
  expect((await run('releases', 'recover')).stdout).toContain('the canary of tickets is taken back');
  expect([findRoute(place.ledger, 'tickets')?.version, findRoute(place.ledger, 'tickets@canary')]).toEqual([
    1,
    undefined,
  ]);
});
