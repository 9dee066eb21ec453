// Model servers: real vLLM on the CPU, behind a socket.
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

import Docker from 'dockerode';
import { Agent, request } from 'undici';
import { beforeAll, describe, expect, test } from 'vitest';

import { packageRoot } from '../../src/config/paths.js';
import type { ModelServer } from '../../src/engine/engine.js';
import { askServer } from '../../src/serving/server-client.js';
import { never, probe, quiet, run } from './probe.js';
import { containersOf, sharedProject, type DockerProject } from './project.js';

const { project, skipped, why } = await sharedProject();

describe.skipIf(skipped)(`a model server in a container${why}`, () => {
  const model = () => `serve-${project().paths.projectId}`;
  let digest = '';
  let base = '';

  beforeAll(async () => {
    const shared = project();
    // Where mlx keeps base models: there it may let the container's user read what was written for us alone.
    const out = join(shared.paths.models, 'tiny');
    mkdirSync(out, { recursive: true });
    const mounts = [
      { name: 'probe', source: join(packageRoot(), 'test', 'fixtures', 'docker', 'tiny_model.py'), writable: false },
      { name: 'out', source: out, writable: true },
    ];
    const made = await run(shared, { ...probe(shared, 'make', ''), mounts, argv: ['{probe}', '{out}'] });
    if (made.exit.status !== 0) throw new Error(made.stderr.join('\n'));
    base = join(out, 'base');
    digest = await packageAdapter(shared, join(out, 'adapter'));
  });

  async function packageAdapter(project: DockerProject, adapter: string): Promise<string> {
    const settings = join(project.folder, 'server-settings.json');
    writeFileSync(settings, JSON.stringify({ schema: 1, max_lora_rank: 8, max_model_len: 256 }));
    const files = [
      { path: 'settings.json', source: settings },
      { path: 'adapter/adapter_config.json', source: join(adapter, 'adapter_config.json') },
      { path: 'adapter/adapter_model.safetensors', source: join(adapter, 'adapter_model.safetensors') },
    ];
    const contents = { model: model(), version: 1, files, labels: {} };
    return (await project.engine.packageVersion(contents, quiet, never)).digest;
  }

  const spec = (id: string, baseModel: string) => {
    return { id, model: model(), version: 1, digest, baseModel, gpu: false, settings: {} };
  };

  test('answers over its socket under the name of its model, and is gone when it is stopped', async () => {
    const { engine } = project();
    const server = await engine.startServer(spec('live-v1-0001', base), quiet, never);
    expect(server).toMatchObject({ id: 'live-v1-0001', model: model(), version: 1, digest, state: 'starting' });
    const answers = await untilItAnswers(server);
    expect(await engine.listServers()).toMatchObject([{ id: 'live-v1-0001', digest }]);
    expect(answers.data.map(({ id }) => id)).toEqual(['base', model()]);
    expect(await askServer(server.address, (client) => client.isAsleep())).toBeUndefined();
    const tuned = await complete(server, model());
    expect(tuned).not.toBe('');
    expect(tuned).not.toBe(await complete(server, 'base'));
    // Log probabilities were the end of vLLM's engine once: the next question must find it alive.
    expect(await logprobs(server, model())).toHaveLength(4);
    expect(await complete(server, model())).toBe(tuned);
    const lines: string[] = [];
    const some = { follow: false, lines: 5, signal: never };
    for await (const line of engine.logs('live-v1-0001', some)) lines.push(line);
    expect(lines).toHaveLength(5);
    await engine.stopServer('live-v1-0001');
    expect(await engine.listServers()).toEqual([]);
    expect(existsSync(server.address.slice('unix:'.length))).toBe(false);
    await engine.stopServer('live-v1-0001');
  });

  test('that cannot start has exited, and keeps its lines until it is stopped', async () => {
    const { engine, folder } = project();
    const empty = join(folder, 'no-model');
    mkdirSync(empty, { recursive: true });
    await engine.startServer(spec('broken-v1-0002', empty), quiet, never);
    const server = await untilState(() => engine.listServers(), 'exited');
    expect(server.id).toBe('broken-v1-0002');
    const stop = new AbortController();
    for await (const line of engine.logs('broken-v1-0002', { follow: true, lines: 1000, signal: stop.signal })) {
      if (line.includes('/mlx/base')) stop.abort();
    }
    expect(stop.signal.aborted).toBe(true);
    const policy = async () => {
      const [container] = await containersOf(project());
      return (await new Docker().getContainer(container?.Id ?? '').inspect()).HostConfig.RestartPolicy?.Name;
    };
    expect(await policy()).toBe('always');
    await engine.setRestart('broken-v1-0002', false);
    expect(await policy()).toBe('no');
    await engine.stopServer('broken-v1-0002');
    await engine.setRestart('broken-v1-0002', true);
  });

  test('whose image is gone is not started', async () => {
    const gone = { ...spec('gone-v1-0003', base), digest: `sha256:${'0'.repeat(64)}` };
    await expect(project().engine.startServer(gone, quiet, never)).rejects.toMatchObject({ code: 'IMAGE_MISSING' });
  });
});

type Models = { data: { id: string }[] };

async function ask(server: ModelServer, path: string, body?: object): Promise<unknown> {
  const dispatcher = new Agent({ connect: { socketPath: server.address.slice('unix:'.length) } });
  const answer = await request(`http://localhost${path}`, {
    dispatcher,
    method: body ? 'POST' : 'GET',
    headers: { 'content-type': 'application/json' },
    body: body ? JSON.stringify(body) : null,
  });
  const value: unknown = await answer.body.json();
  await dispatcher.close();
  expect(answer.statusCode, JSON.stringify(value)).toBe(200);
  return value;
}

async function untilItAnswers(server: ModelServer): Promise<Models> {
  for (;;) {
    try {
      return (await ask(server, '/v1/models')) as Models;
    } catch {
      const [now] = await project().engine.listServers();
      if (now?.state === 'exited') throw new Error('the server has exited');
      await pause(500);
    }
  }
}

async function complete(server: ModelServer, model: string): Promise<string> {
  const body = { model, prompt: 'the printer', max_tokens: 12, temperature: 0, skip_special_tokens: false };
  const answer = (await ask(server, '/v1/completions', body)) as { choices: { text: string }[] };
  return answer.choices[0]?.text ?? '';
}

async function logprobs(server: ModelServer, model: string): Promise<unknown[]> {
  const body = { model, prompt: 'the printer', max_tokens: 4, min_tokens: 4, logprobs: 5 };
  const answer = (await ask(server, '/v1/completions', body)) as { choices: { logprobs: { tokens: unknown[] } }[] };
  return answer.choices[0]?.logprobs.tokens ?? [];
}

async function untilState(list: () => Promise<ModelServer[]>, state: ModelServer['state']): Promise<ModelServer> {
  for (;;) {
    const server = (await list()).find((candidate) => candidate.state === state);
    if (server) return server;
    await pause(500);
  }
}
