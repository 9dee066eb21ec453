// The real program is killed at every step of a promotion and of a rollback, with real model servers and a real gateway: one
// version keeps answering, the next command finishes or undoes the rest, and no server is left over.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { gatewayKey } from '../../src/gateway/key.js';
import { openLedger } from '../../src/ledger/open.js';
import { findRoute, listPromotions } from '../../src/ledger/promotions.js';
import { aliasedVersion } from '../../src/ledger/versions.js';
import { listWarmServers } from '../../src/ledger/warm-servers.js';
import type { FailPoint } from '../../src/registry/journal.js';
import { mlxJson } from '../command/mlx.js';
import { afterFlip, switchPoints } from '../unit/registry/kill-points.js';
import { killedAt } from './killed-command.js';
import { promotionProject, type PromotionProject } from './promotion-project.js';

let project: PromotionProject;

const json = (...argv: string[]) =>
  mlxJson(argv, { folder: project.folder, environment: { ...project.environment, MLX_SERVING_KEEP_WARM_S: '0' } });

beforeAll(async () => {
  project = await promotionProject('serving: { drain_timeout_s: 5 }');
  const served = await json('serve', 'tickets:1');
  expect(served.status, served.stdout + served.stderr).toBe(0);
});

afterAll(async () => {
  await json('down');
  project.remove();
});

const killed = (point: FailPoint, argv: string[], keepWarmS: number) => {
  const environment = { ...project.environment, MLX_SERVING_KEEP_WARM_S: String(keepWarmS) };
  return killedAt(point, argv, { folder: project.folder, environment });
};

async function answeringVersion(): Promise<number> {
  const answer = await fetch(`http://127.0.0.1:${project.port}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${gatewayKey(project.paths.secrets)}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'tickets', messages: [{ role: 'user', content: 'invoice?' }], max_tokens: 4 }),
  });
  expect(answer.status).toBe(200);
  return Number(answer.headers.get('x-mlx-version')?.split(':')[1]);
}

/** @returns the version that is live */
async function expectConsistent(): Promise<number> {
  const ledger = openLedger(project.paths.ledgerFile);
  try {
    const route = findRoute(ledger, 'tickets');
    // One that was warm and has the route again keeps its row for a while.
    const kept = new Set([route?.serverId, ...listWarmServers(ledger).map(({ serverId }) => serverId)]);
    const servers = await (await project.openEngine()).listServers();
    expect(servers.map(({ id }) => id).sort()).toEqual([...kept].sort());
    expect(aliasedVersion(ledger, 'tickets', 'production')).toBe(route?.version);
    expect(listPromotions(ledger, { state: 'started', limit: 9 })).toEqual([]);
    expect(await answeringVersion()).toBe(route?.version);
    return route?.version ?? 0;
  } finally {
    ledger.close();
  }
}

describe('mlx promote, killed', () => {
  test.each(switchPoints)('at "%s"', async (point) => {
    const before = await expectConsistent();
    expect(await killed(point, ['promote', `tickets:${3 - before}`], 0)).toBe('SIGKILL');
    await answeringVersion();
    expect((await json('releases', 'recover')).status).toBe(0);
    expect(await expectConsistent()).toBe(afterFlip.includes(point) ? 3 - before : before);
  });
});

describe('mlx rollback to a server that is kept warm, killed', () => {
  test.each(['flip: begun', ...afterFlip] satisfies FailPoint[])('at "%s"', async (point) => {
    const before = await expectConsistent();
    expect((await mlxJson(['promote', `tickets:${3 - before}`], project)).status).toBe(0);
    expect(await killed(point, ['rollback'], 300)).toBe('SIGKILL');
    await answeringVersion();
    expect((await mlxJson(['releases', 'recover'], project)).status).toBe(0);
    expect(await expectConsistent()).toBe(afterFlip.includes(point) ? before : 3 - before);
  });
});
