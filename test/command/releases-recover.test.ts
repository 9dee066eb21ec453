// Releases of the docker engine while no Engine answers: what can be settled is, the rest is told, and no command fails because of it.
import { beforeEach, describe, expect, it } from 'vitest';

import { beginStep } from '../../src/ledger/promotion-steps.js';
import { openPromotions, startPromotion } from '../../src/ledger/promotions.js';
import { keepWarm, listWarmServers } from '../../src/ledger/warm-servers.js';
import { mlx, mlxJson } from './mlx.js';
import { modelsProject, released } from './models-project.js';
import { now, type Place } from './runs-project.js';

const environment = { PATH: process.env['PATH'], DOCKER_HOST: 'unix:///nowhere/docker.sock' };
const silent = 'No Docker Engine answers at unix:///nowhere/docker.sock.';

let place: Place;

const run = (...argv: string[]) => mlx(argv, { folder: place.folder, environment });
const json = (...argv: string[]) => mlxJson(argv, { folder: place.folder, environment });

beforeEach(() => {
  place = modelsProject();
  place.ledger.database.prepare("UPDATE model_versions SET engine = 'docker'").run();
  released(place, null, 1, 'promoted', 'first');
});

/** What `kill -9` while a server starts leaves behind. */
function interrupted(): void {
  const row = { model: 'tickets', alias: 'production', fromVersion: 1, toVersion: 2, actor: 'ada', reason: null };
  const promotionId = startPromotion(place.ledger, { ...row, kind: 'promote', owner: '1:1:dead', startedAtMs: now });
  const subject = JSON.stringify({ step: 'start', serverId: 'tickets-v2-a1b2', engine: 'docker' });
  beginStep(place.ledger, { promotionId, step: 'start', subject, begunAtMs: now });
}

function keptTooLong(): void {
  keepWarm(place.ledger, { serverId: 'tickets-v1-c3d4', model: 'tickets', version: 1, engine: 'docker', untilMs: now });
}

describe('mlx releases recover, where Docker does not answer', () => {
  it.each([[[]], [['--tags']], [['--servers']], [['--canaries']], [['--tags', '--servers', '--canaries']]])(
    'tells which promotion is not settled yet, and ends with status 1 (%j)',
    async (flags) => {
      interrupted();
      const { status, stdout, stderr } = await run('releases', 'recover', ...flags);
      expect([status, stdout]).toEqual([1, 'release 2, promote of tickets to version 2, is not settled yet\n']);
      expect(stderr).toContain(silent);
      expect(await json('releases', 'recover', ...flags)).toMatchObject({
        status: 1,
        value: { recovered: [], left: [{ id: 2, state: 'started' }], unseen: ['docker'] },
      });
      expect(openPromotions(place.ledger)).toMatchObject([{ id: 2, owner: null }]);
    },
  );

  it('tells which server is not stopped yet', async () => {
    keptTooLong();
    const { status, stdout, stderr } = await run('releases', 'recover');
    expect([status, stdout]).toEqual([1, 'tickets-v1-c3d4 is not stopped yet\n']);
    expect(stderr).toContain(`tickets-v1-c3d4 was kept warm long enough and cannot be stopped yet. ${silent}`);
    expect((await json('releases', 'recover')).value).toMatchObject({
      stopped: [],
      left_servers: [{ server_id: 'tickets-v1-c3d4' }],
    });
    expect(listWarmServers(place.ledger)).toHaveLength(1);
  });

  it('and nothing was interrupted, does not call it a failure, but says what it could not see', async () => {
    const { status, stdout, stderr } = await run('releases', 'recover');
    expect([status, stdout]).toEqual([0, 'Nothing that is known is left over.\n']);
    expect(stderr).toContain(`Whether model servers run (docker) that no route leads to is not known. ${silent}`);
  });

  it('says beforehand what would be left, and changes nothing', async () => {
    interrupted();
    keptTooLong();
    const planned = await run('releases', 'recover', '--dry-run');
    expect([planned.status, planned.stdout]).toEqual([
      1,
      'release 2, promote of tickets to version 2, is not settled yet\ntickets-v1-c3d4 is not stopped yet\n',
    ]);
    expect(planned.stderr).toContain(silent);
    expect(openPromotions(place.ledger)).toMatchObject([{ id: 2, owner: '1:1:dead' }]);
    const { value } = await json('releases', 'recover', '--dry-run');
    expect(value).toMatchObject({ dry_run: true, left: [{ id: 2 }], unseen: ['docker'] });
    const { value: done } = await json('releases', 'recover');
    expect({ ...(value as object), dry_run: false, left: [] }).toEqual({ ...(done as object), left: [] });
  });

  it('says so where it was asked to put tags back', async () => {
    const { status, stderr } = await run('releases', 'recover', '--tags');
    expect([status, stderr]).toEqual([1, expect.stringContaining('Which image tags were moved is not known.')]);
  });
});

it.each([['releases'], ['releases show 1'], ['status']])(
  'mlx %s works while Docker does not answer and something is left to do there',
  async (words) => {
    keptTooLong();
    interrupted();
    const { status, stderr } = await run(...words.split(' '));
    expect([status, stderr]).toEqual([0, expect.stringContaining('cannot be stopped yet')]);
  },
);
