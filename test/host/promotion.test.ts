// Two real runs become two versions; the second is put live and taken back while an OpenAI client keeps asking.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import OpenAI from 'openai';
import { afterAll, beforeAll, expect, test } from 'vitest';

import { projectPaths } from '../../src/config/paths.js';
import { gatewayKey } from '../../src/gateway/key.js';
import { openLedger } from '../../src/ledger/open.js';
import { findVersion, insertVersion, nextVersion } from '../../src/ledger/versions.js';
import { mlx, mlxJson } from '../command/mlx.js';
import { promotionProject, type PromotionProject } from './promotion-project.js';

let project: PromotionProject;

const run = (...argv: string[]) => mlx(argv, { folder: project.folder, environment: project.environment });
const json = (...argv: string[]) => mlxJson(argv, { folder: project.folder, environment: project.environment });

beforeAll(async () => {
  project = await promotionProject();
});

afterAll(async () => {
  await run('down');
  project.remove();
});

function openAi(maxRetries = 0): OpenAI {
  const { secrets } = projectPaths(project.folder, project.environment);
  return new OpenAI({ baseURL: `http://127.0.0.1:${project.port}/v1`, apiKey: gatewayKey(secrets), maxRetries });
}

const question = { model: 'tickets', messages: [{ role: 'user' as const, content: 'invoice?' }], max_tokens: 8 };

/** Asks without a pause, every other time for a stream, until `stop`. A failure stops it too, and is thrown there. */
function keepAsking() {
  const client = openAi();
  const versions = new Set<string>();
  let stopping = false;
  let answered = 0;
  const asking = (async () => {
    for (; !stopping; answered += 1) {
      const streamed = answered % 2 === 1;
      const { data: answer, response } = await client.chat.completions
        .create({ ...question, stream: streamed })
        .withResponse();
      versions.add(response.headers.get('x-mlx-version') ?? 'none');
      if ('choices' in answer) continue;
      let finish: string | null = null;
      for await (const chunk of answer) finish = chunk.choices[0]?.finish_reason ?? finish;
      expect(finish).not.toBeNull();
    }
  })();
  return {
    stop: async () => {
      stopping = true;
      await asking;
      return { answered, versions: [...versions].sort() };
    },
  };
}

test('a version is served behind the address, streamed and not', async () => {
  const served = await json('serve', 'tickets:1');
  expect(served.status, served.stdout + served.stderr).toBe(0);
  expect(served.value).toMatchObject({ outcome: 'promoted', route: 'tickets', to_version: 1 });
  const client = openAi();
  const answer = await client.chat.completions.create(question);
  expect(answer.model).toBe('tickets');
  const stream = await client.chat.completions.create({ ...question, stream: true });
  let chunks = 0;
  for await (const chunk of stream) chunks += chunk.choices.length;
  expect(chunks).toBeGreaterThan(0);
  expect((await json('serve', 'tickets')).value).toMatchObject({ outcome: 'already_live' });
});

test('a promotion and a rollback lose no request and cut no stream', async () => {
  const client = keepAsking();
  expect((await json('promote', 'tickets:2', '-m', 'better')).value).toMatchObject({
    outcome: 'promoted',
    from_version: 1,
  });
  expect((await json('rollback', 'tickets', '-m', 'drill')).value).toMatchObject({
    outcome: 'rolled_back',
    to_version: 1,
  });
  const { answered, versions } = await client.stop();
  expect(answered).toBeGreaterThan(2);
  expect(versions).toEqual(['tickets:1', 'tickets:2']);
  // The way back was to the server that had been kept, and the other one is kept now.
  const servers = await (await project.openEngine()).listServers();
  expect(servers.map(({ version }) => version).sort()).toEqual([1, 2]);
});

test('a version that cannot be loaded leaves the old one as it was, and says why', async () => {
  await addBrokenVersion();
  const { status, value } = await json('promote', 'tickets:3');
  expect(status).toBe(1);
  expect(value).toMatchObject({ outcome: 'failed', error: { code: 'SERVER_NOT_READY' } });
  expect((await openAi().chat.completions.create(question).asResponse()).headers.get('x-mlx-version')).toBe(
    'tickets:1',
  );
  expect((await (await project.openEngine()).listServers()).map(({ version }) => version)).toEqual([1]);
});

/** Weights that are none: whoever loads them fails. */
async function addBrokenVersion(): Promise<void> {
  const weights = join(project.folder, 'adapter_model.safetensors');
  writeFileSync(weights, 'not weights');
  const ledger = openLedger(projectPaths(project.folder, project.environment).ledgerFile);
  try {
    const version = nextVersion(ledger, 'tickets');
    const files = [{ path: 'adapter/adapter_model.safetensors', source: weights }];
    const never = new AbortController().signal;
    const engine = await project.openEngine();
    const { digest } = await engine.packageVersion(
      { model: 'tickets', version, files, labels: {} },
      () => undefined,
      never,
    );
    insertVersion(ledger, { ...findVersion(ledger, 'tickets:1'), version, digest });
  } finally {
    ledger.close();
  }
}

test('a server that died is started again because a client asks, and a client that comes again as it was told gets its answer', async () => {
  const engine = await project.openEngine();
  for (const { id } of await engine.listServers()) await engine.stopServer(id);
  await expect(openAi().chat.completions.create(question)).rejects.toMatchObject({
    status: 503,
    code: 'server_restarting',
  });
  expect((await openAi(20).chat.completions.create(question)).choices).toHaveLength(1);
});
