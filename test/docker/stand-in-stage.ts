// A project with a gateway and two versions whose containers are stand-ins that answer, on the Engine that the environment names; and what must
// hold of it after every switch, however it ended.
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

import { expect } from 'vitest';

import { engineVersion } from '../../src/engine/docker/connection.js';
import { freePort } from '../../src/engine/port.js';
import { errorMessage } from '../../src/errors.js';
import { gatewayKey } from '../../src/gateway/key.js';
import { openLedger } from '../../src/ledger/open.js';
import { findRoute, listPromotions } from '../../src/ledger/promotions.js';
import { aliasedVersion, findVersion } from '../../src/ledger/versions.js';
import { listWarmServers } from '../../src/ledger/warm-servers.js';
import { mlxJson } from '../command/mlx.js';
import { addBase, addVersion } from '../host/stand-in-project.js';
import { dockerProject, type DockerProject } from './project.js';
import { makeStandInImage, standInBase } from './stand-in-image.js';

export type StandInStage = {
  model: string;
  folder: string;
  engine: DockerProject['engine'];
  environment: NodeJS.ProcessEnv;
  json: (...argv: string[]) => ReturnType<typeof mlxJson>;
  /** @returns the version, or why nobody answers now */
  answeringVersion: () => Promise<number | string>;
  /** @returns the version that is live: of route, gateway, alias and tag; no container but its own and one that is kept warm */
  expectConsistent: () => Promise<number>;
  remove: () => Promise<void>;
};

/** @returns why there can be none on the Engine of this machine */
export async function standInObstacle(): Promise<string | undefined> {
  if (process.platform !== 'linux') return 'the stand-in image is made of the programs of a Linux machine';
  return (await engineVersion(process.env)) === undefined ? 'no Docker Engine answers' : undefined;
}

/** Docker, or the gateway, may have to start it again first. */
const answersWithinMs = 75_000;

/** Version 1 is live. Servers are not kept warm, unless a command is told otherwise. */
export async function standInStage(engineEnvironment: NodeJS.ProcessEnv): Promise<StandInStage> {
  const image = makeStandInImage(engineEnvironment);
  const port = await freePort();
  const serving = 'serving: { drain_timeout_s: 5, ready_timeout_s: 60 }';
  const project = await dockerProject(`docker: { base_image: ${standInBase} }\n${serving}\n`, engineEnvironment);
  if (!project) throw new Error('no Docker Engine answers');
  const { folder, paths, engine } = project;
  const settings = { MLX_HOME: join(folder, 'home'), MLX_GATEWAY_PORT: String(port), MLX_SERVING_KEEP_WARM_S: '0' };
  const environment = { ...engineEnvironment, ...settings };
  const model = `stand-in-${randomBytes(3).toString('hex')}`;
  await addBase(paths.models);
  for (const version of [1, 2]) await addVersion(project, engine, version, 'good', model);
  const json = (...argv: string[]) => mlxJson(argv, { folder, environment });
  const served = await json('serve', `${model}:1`);
  expect(served.status, served.stdout + served.stderr).toBe(0);
  const answeringVersion = () => askVersion(port, gatewayKey(paths.secrets), model);
  return {
    ...{ model, folder, engine, environment, json, answeringVersion },
    expectConsistent: () => expectConsistent(project, model, answeringVersion),
    remove: async () => {
      await json('down');
      await project.remove();
      spawnSync('docker', ['image', 'rm', image], { env: engineEnvironment });
    },
  };
}

async function askVersion(port: number, key: string, model: string): Promise<number | string> {
  const body = { model, messages: [{ role: 'user', content: 'invoice?' }], max_tokens: 4 };
  try {
    const answer = await fetch(`http://127.0.0.1:${port}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(5_000),
    });
    const text = await answer.text();
    if (answer.status !== 200) return `${answer.status} ${text}`;
    return Number(answer.headers.get('x-mlx-version')?.split(':')[1]);
  } catch (error) {
    return `no answer: ${errorMessage(error)} ${errorMessage((error as Error).cause)}`;
  }
}

async function expectConsistent(
  { paths, engine }: DockerProject,
  model: string,
  answeringVersion: StandInStage['answeringVersion'],
): Promise<number> {
  const ledger = openLedger(paths.ledgerFile);
  try {
    const live = () => findRoute(ledger, model)?.version ?? 0;
    const deadlineMs = Date.now() + answersWithinMs;
    while ((await answeringVersion()) !== live() && Date.now() < deadlineMs) await pause(200);
    expect(await answeringVersion()).toBe(live());
    // One that was warm and has the route again keeps its row for a while.
    const kept = [findRoute(ledger, model)?.serverId, ...listWarmServers(ledger).map(({ serverId }) => serverId)];
    expect((await engine.listServers()).map(({ id }) => id).sort()).toEqual([...new Set(kept)].sort());
    expect(listPromotions(ledger, { state: 'started', limit: 9 })).toEqual([]);
    expect(aliasedVersion(ledger, model, 'production')).toBe(live());
    const tagged = await engine.findVersion(model, 'production');
    expect(tagged?.digest).toBe(findVersion(ledger, `${model}:${live()}`).digest);
    return live();
  } finally {
    ledger.close();
  }
}
