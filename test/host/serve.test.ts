// Model servers of the host engine: a real model, transformers' own server, no network, a unix socket.
import { existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync, statSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

import OpenAI from 'openai';
import { Agent, fetch as undiciFetch } from 'undici';
import { expect, onTestFinished, test } from 'vitest';

import type { ModelServer, ServerSpec } from '../../src/engine/engine.js';
import { sealPlan } from '../../src/engine/host/seal.js';
import { ownerPid } from '../../src/engine/owner.js';
import { hostProject, type HostProject } from './host-project.js';

const never = new AbortController().signal;
const quiet = () => undefined;

/** Packages a tiny version as its first, and says how to serve it. */
async function tinyVersion({ engine, paths }: HostProject): Promise<ServerSpec> {
  const out = join(paths.project, 'tiny');
  mkdirSync(out);
  const lines: string[] = [];
  const keep = (line: string) => lines.push(line);
  const exit = await engine.runJob(
    {
      id: 'tiny',
      runtime: 'trainer',
      argv: [join(import.meta.dirname, 'tiny_version.py'), '{out}'],
      mounts: [{ name: 'out', source: out, writable: true }],
      environment: {},
      network: 'none',
      gpu: false,
    },
    { onStdout: keep, onStderr: keep, signal: never },
  );
  expect(exit.status, lines.join('\n')).toBe(0);
  const names = ['adapter_model.safetensors', 'adapter_config.json'];
  const files = names.map((name) => ({ path: `adapter/${name}`, source: join(out, 'adapter', name) }));
  const { digest } = await engine.packageVersion({ model: 'tiny', version: 1, files, labels: {} }, quiet, never);
  const own = { id: 'tiny-v1-aaaa', model: 'tiny', version: 1, digest };
  return { ...own, baseModel: join(out, 'base'), gpu: false, settings: { max_model_len: 256 } };
}

type Answer = { status: number; body: string };

function call(server: ModelServer, path: string, body?: unknown): Promise<Answer> {
  const options = { socketPath: server.address.slice('unix:'.length), path, method: body ? 'POST' : 'GET' };
  return new Promise((resolve, reject) => {
    const headers = { host: 'localhost', 'content-type': 'application/json' };
    const asked = request({ ...options, headers }, (answer) => {
      const parts: string[] = [];
      answer.setEncoding('utf8').on('data', (part: string) => parts.push(part));
      answer.once('end', () => resolve({ status: answer.statusCode ?? 0, body: parts.join('') }));
    });
    asked.once('error', reject).end(body === undefined ? undefined : JSON.stringify(body));
  });
}

/** Asks again until it answers, or until the process is gone. */
async function untilHealthy({ engine, paths }: HostProject, server: ModelServer): Promise<void> {
  for (;;) {
    const answer = await call(server, '/health').catch(() => undefined);
    if (answer?.status === 200) return;
    const [found] = await engine.listServers();
    if (found?.state !== 'running')
      throw new Error(readFileSync(join(paths.run, 'servers', `${server.id}.log`), 'utf8'));
    await pause(100);
  }
}

function pidOf({ paths }: HostProject, id: string): number {
  const { owner } = JSON.parse(readFileSync(join(paths.run, 'servers', `${id}.json`), 'utf8')) as { owner: string };
  return ownerPid(owner);
}

test('a version answers under its name through a socket of its own, without a network, and leaves nothing when stopped', async () => {
  const project = await hostProject();
  const { engine, paths } = project;
  const spec = await tinyVersion(project);
  onTestFinished(() => engine.stopServer(spec.id));
  const server = await engine.startServer(spec, quiet, never);

  expect(server).toMatchObject({ id: spec.id, model: 'tiny', version: 1, digest: spec.digest, state: 'running' });
  await untilHealthy(project, server);
  expect((await call(server, '/v1/models')).body).toContain('"tiny"');
  const prompt = { model: 'tiny', messages: [{ role: 'user', content: 'hello' }], max_tokens: 4, temperature: 0 };
  const answer = await call(server, '/v1/chat/completions', prompt);
  expect(answer.status, answer.body).toBe(200);
  expect(JSON.parse(answer.body)).toMatchObject({ choices: [{ message: { role: 'assistant' } }] });
  expect(statSync(paths.sockets).mode & 0o777).toBe(0o700);
  if ((await sealPlan(process.env)).seal === 'namespace') {
    expect(readlinkSync(`/proc/${pidOf(project, spec.id)}/ns/net`)).not.toBe(readlinkSync('/proc/self/ns/net'));
  }

  await engine.stopServer(spec.id);
  expect(await engine.listServers()).toEqual([]);
  expect(readdirSync(join(paths.run, 'servers'))).toEqual([`${spec.id}.log`]);
  expect(existsSync(server.address.slice('unix:'.length))).toBe(false);
});

/** The official client, which speaks to the server without the gateway between. */
function clientOf(server: ModelServer): OpenAI {
  const dispatcher = new Agent({ connect: { socketPath: server.address.slice('unix:'.length) } });
  const throughSocket = ((url: string, init: object) => undiciFetch(url, { ...init, dispatcher })) as typeof fetch;
  return new OpenAI({ baseURL: 'http://localhost/v1', apiKey: 'none', maxRetries: 0, fetch: throughSocket });
}

test("OpenAI's client gets whole answers, streams, and refusals that say what is wrong", async () => {
  const project = await hostProject();
  const spec = await tinyVersion(project);
  onTestFinished(() => project.engine.stopServer(spec.id));
  const server = await project.engine.startServer(spec, quiet, never);
  await untilHealthy(project, server);
  const client = clientOf(server);
  const question = { model: 'tiny', messages: [{ role: 'user' as const, content: 'hello' }], max_tokens: 4 };

  const response = await client.responses.create({ model: 'tiny', input: 'hello', max_output_tokens: 4 });
  expect(response).toMatchObject({ object: 'response', output: [{ role: 'assistant' }] });
  const events: string[] = [];
  for await (const event of await client.responses.create({ model: 'tiny', input: 'hello', stream: true })) {
    events.push(event.type);
  }
  expect([events.at(0), events.at(-1)]).toEqual(['response.created', 'response.completed']);
  const long = [{ role: 'user' as const, content: 'word '.repeat(20_000) }];
  const refused = (status: number, code: string, param: string) => ({ status, code, param });
  await expect(client.chat.completions.create({ ...question, messages: long })).rejects.toMatchObject(
    refused(400, 'context_length_exceeded', 'messages'),
  );
  await expect(client.chat.completions.create({ ...question, messages: [] })).rejects.toMatchObject(
    refused(400, 'invalid_value', 'messages'),
  );
  await expect(client.chat.completions.create({ ...question, n: 2 })).rejects.toMatchObject(
    refused(400, 'unsupported_parameter', 'n'),
  );
  expect((await client.chat.completions.create({ ...question, temperature: 0 })).choices).toHaveLength(1);
  await project.engine.stopServer(spec.id);
  const log = readFileSync(join(project.paths.run, 'servers', `${spec.id}.log`), 'utf8');
  expect(log).not.toMatch(/gemm_4bit|generation flags|Traceback/);
});

test('a server that was killed is seen as exited, its log stays, and stopping it clears up', async () => {
  const project = await hostProject();
  const { engine, paths } = project;
  const spec = await tinyVersion(project);
  const server = await engine.startServer(spec, quiet, never);
  await untilHealthy(project, server);
  process.kill(pidOf(project, spec.id), 'SIGKILL');
  while ((await engine.listServers())[0]?.state === 'running') await pause(10);

  const lines: string[] = [];
  for await (const line of engine.logs(spec.id, { follow: false, lines: 50, signal: never })) lines.push(line);
  expect(lines.join('\n')).toContain('"ready"');
  await engine.stopServer(spec.id);
  expect(await engine.listServers()).toEqual([]);
  expect(existsSync(join(paths.sockets, `${spec.id}.sock`))).toBe(false);
});

test('a version whose layer was changed on the disk is never served', async () => {
  const project = await hostProject();
  const { engine, paths } = project;
  const weights = join(paths.project, 'weights');
  writeFileSync(weights, 'w'.repeat(100_000));
  const files = [{ path: 'adapter/adapter_model.safetensors', source: weights }];
  const { digest } = await engine.packageVersion({ model: 'tiny', version: 1, files, labels: {} }, quiet, never);
  const blobs = join(paths.images, 'blobs', 'sha256');
  const layer =
    readdirSync(blobs)
      .map((name) => join(blobs, name))
      .find((file) => statSync(file).size > 50_000) ?? '';
  writeFileSync(layer, readFileSync(layer, 'utf8').replace('www', 'xxx'));
  const spec = { id: 'x', model: 'tiny', version: 1, digest, baseModel: '/base', gpu: false, settings: {} };

  await expect(engine.startServer(spec, quiet, never)).rejects.toMatchObject({ code: 'IMAGE_CORRUPT' });
  expect(await engine.listServers()).toEqual([]);
});
