import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';

import { afterEach, describe, expect, it } from 'vitest';

import { ask, askMaybe, connectionTo, engineVersion, modemOptions } from '../../../../src/engine/docker/connection.js';
import { scratchFolder } from '../scratch.js';

const closers: (() => void)[] = [];
afterEach(() => closers.splice(0).forEach((close) => close()));

/** An Engine that answers every question with one status. */
async function engineThatAnswers(status: number): Promise<{ DOCKER_HOST: string; HOME: string }> {
  const folder = scratchFolder();
  const server = createServer((_, answer) => {
    answer.writeHead(status, { 'content-type': 'application/json' });
    answer.end(JSON.stringify({ Version: '26.1.5', message: 'no such thing' }));
  });
  await new Promise<void>((resolve) => server.listen(join(folder, 'docker.sock'), resolve));
  closers.push(() => server.close());
  return { DOCKER_HOST: `unix://${folder}/docker.sock`, HOME: folder };
}

function homeWithContext(name: string, host: string): string {
  const home = scratchFolder();
  const meta = join(home, '.docker', 'contexts', 'meta', createHash('sha256').update(name).digest('hex'));
  mkdirSync(meta, { recursive: true });
  writeFileSync(join(meta, 'meta.json'), JSON.stringify({ Name: name, Endpoints: { docker: { Host: host } } }));
  writeFileSync(join(home, '.docker', 'config.json'), JSON.stringify({ currentContext: name }));
  return home;
}

describe('where the Engine is looked for', () => {
  it('is at DOCKER_HOST before anything else', () => {
    const HOME = homeWithContext('rootless', 'unix:///run/user/1000/docker.sock');
    const connection = connectionTo({ HOME, DOCKER_HOST: 'tcp://127.0.0.1:2375' });
    expect(connection.host).toBe('tcp://127.0.0.1:2375');
    expect(connection.environment).toMatchObject({ DOCKER_HOST: 'tcp://127.0.0.1:2375', BUILDX_BUILDER: 'default' });
  });

  it("is at the docker CLI's context, whose builder is used as well", () => {
    const HOME = homeWithContext('rootless', 'unix:///run/user/1000/docker.sock');
    const connection = connectionTo({ HOME });
    expect(connection.host).toBe('unix:///run/user/1000/docker.sock');
    expect(connection.environment['BUILDX_BUILDER']).toBe('rootless');
  });

  it.each([
    [undefined, { socketPath: '/var/run/docker.sock', host: '' }],
    ['unix:///run/d.sock', { socketPath: '/run/d.sock', host: '' }],
    ['tcp://10.0.0.1:1234', { protocol: 'http', host: '10.0.0.1', port: 1234 }],
    ['10.0.0.1', { protocol: 'http', host: '10.0.0.1', port: 2375 }],
    ['ssh://me@box:2222', { protocol: 'ssh', host: 'box', port: 2222, username: 'me' }],
  ])('DOCKER_HOST %s becomes a connection', (host, options) => {
    expect(modemOptions(host, {})).toEqual(options);
  });

  it("keeps Compose's and mlx's own variables away from the CLI", () => {
    const { environment } = connectionTo({ HOME: '/h', COMPOSE_FILE: 'other.yaml', MLX_IMAGE: 'x', PATH: '/bin' });
    expect(environment).toEqual({
      HOME: '/h',
      PATH: '/bin',
      BUILDX_BUILDER: 'default',
      BUILDX_GIT_INFO: 'false',
      DOCKER_CLI_HINTS: 'false',
    });
  });
});

describe('an Engine that is gone', () => {
  const gone = { HOME: '/nowhere', DOCKER_HOST: 'unix:///nowhere/docker.sock' };

  it('has no version', async () => {
    expect(await engineVersion(gone)).toBeUndefined();
    expect(await engineVersion(await engineThatAnswers(200))).toBe('26.1.5');
  });

  it('is DOCKER_UNREACHABLE with a way out', async () => {
    await expect(ask(connectionTo(gone), (docker) => docker.ping())).rejects.toMatchObject({
      code: 'DOCKER_UNREACHABLE',
      message: 'The Docker Engine at unix:///nowhere/docker.sock does not answer.',
      hint: expect.stringContaining('--engine host'),
    });
  });

  it('is told from an Engine that refuses, whose refusal stays as it is', async () => {
    const connection = connectionTo(await engineThatAnswers(500));
    await expect(ask(connection, (docker) => docker.listImages())).rejects.toMatchObject({ statusCode: 500 });
  });

  it('is told from a thing that is not there', async () => {
    const connection = connectionTo(await engineThatAnswers(404));
    expect(await askMaybe(connection, (docker) => docker.getImage('x').inspect())).toBeUndefined();
  });
});
