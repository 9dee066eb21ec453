import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';

import { loadConfig } from '../../../src/config/load.js';
import { MlxError } from '../../../src/errors.js';
import { scratchFolder } from '../engine/scratch.js';

function project(text: string): { project: string; configFile: string } {
  const folder = scratchFolder();
  const configFile = join(folder, 'mlx.yaml');
  writeFileSync(configFile, text);
  return { project: folder, configFile };
}

async function failure(text: string, environment: NodeJS.ProcessEnv = {}): Promise<MlxError> {
  const error: unknown = await loadConfig(project(text), environment).catch((thrown: unknown) => thrown);
  if (error instanceof MlxError) return error;
  throw new Error('it was accepted');
}

describe('mlx.yaml', () => {
  it('may be empty: each setting has its default', async () => {
    await expect(loadConfig(project(''), {})).resolves.toMatchObject({
      engine: 'auto',
      gateway: { port: 4600 },
      mlflow: { enabled: true, port: 4601, trackingUri: undefined },
      serving: { readyTimeoutMs: 300_000, drainTimeoutMs: 60_000, maxHoldMs: 120_000, keepWarmMs: 300_000 },
    });
  });

  it('may hold sections whose keys are all comments', async () => {
    await expect(loadConfig(project('gateway:\n  # port: 4700\nmlflow:\n'), {})).resolves.toMatchObject({
      gateway: { port: 4600 },
    });
  });

  it('takes paths relative to itself', async () => {
    const place = project('docker:\n  certificates: corporate.pem\n');
    const config = await loadConfig(place, {});
    expect(config.docker.certificates).toBe(join(place.project, 'corporate.pem'));
  });

  it('shows every problem at once, with line, path and the nearest key', async () => {
    const error = await failure('engin: host\ngateway:\n  port: 99999\nmlflow:\n  enabled: perhaps\nserving: 5\n');
    expect(error.code).toBe('CONFIG_INVALID');
    expect(error.exitStatus).toBe(2);
    expect(error.problems).toEqual([
      { file: 'mlx.yaml', line: 1, path: 'engin', message: 'unknown key; did you mean engine?' },
      { file: 'mlx.yaml', line: 3, path: 'gateway.port', message: 'must be at most 65535, not 99999' },
      { file: 'mlx.yaml', line: 5, path: 'mlflow.enabled', message: "must be true or false, not the text 'perhaps'" },
      { file: 'mlx.yaml', line: 6, path: 'serving', message: 'must be a group of keys, not 5' },
    ]);
  });

  it('lists what is known where no key is near', async () => {
    const error = await failure('gateway:\n  colour: blue\n');
    expect(error.problems[0]).toMatchObject({
      line: 2,
      message: expect.stringMatching(/^unknown key; known here: port\b/) as string,
    });
  });

  it.each([
    ['a key that stands twice', 'engine: host\nengine: docker\n', 2],
    ['a broken line', 'engine: host\ngateway: [1,\n', 3],
    ['a list instead of keys', '- engine\n', 1],
    ['a lone word', 'engine\n', 1],
    ['an alias without its anchor', 'engine: *where\n', 1],
  ])('names the line of %s', async (_, text, line) => {
    const error = await failure(text);
    expect(error.code).toBe('CONFIG_INVALID');
    expect(error.problems[0]).toMatchObject({ file: 'mlx.yaml', line });
  });

  it('is refused when it is not UTF-8', async () => {
    const place = project('');
    writeFileSync(place.configFile, Buffer.from([0x65, 0xff, 0xfe]));
    await expect(loadConfig(place, {})).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
  });

  it('that is missing is its own error', async () => {
    const folder = scratchFolder();
    await expect(loadConfig({ project: folder, configFile: join(folder, 'mlx.yaml') }, {})).rejects.toMatchObject({
      code: 'CONFIG_MISSING',
      exitStatus: 2,
    });
  });
});

describe('variables', () => {
  it('go over mlx.yaml', async () => {
    const place = project('engine: docker\ngateway:\n  port: 4700\n');
    const environment = {
      MLX_ENGINE: 'host',
      MLX_GPU: 'off',
      MLX_GATEWAY_PORT: '4800',
      MLX_MLFLOW_PORT: '4801',
      MLFLOW_TRACKING_URI: 'http://127.0.0.1:5000',
    };
    await expect(loadConfig(place, environment)).resolves.toMatchObject({
      engine: 'host',
      gpu: 'off',
      gateway: { port: 4800 },
      mlflow: { port: 4801, trackingUri: 'http://127.0.0.1:5000' },
    });
  });

  it('of ours go over those that other tools share', async () => {
    const environment = { MLX_MLFLOW_EXPERIMENT: 'ours', MLFLOW_EXPERIMENT_NAME: 'theirs' };
    await expect(loadConfig(project(''), environment)).resolves.toMatchObject({ mlflow: { experiment: 'ours' } });
  });

  it('that are empty count as not set', async () => {
    await expect(loadConfig(project('engine: host\n'), { MLX_ENGINE: '' })).resolves.toMatchObject({ engine: 'host' });
  });

  it('that are text stay text, whatever they look like', async () => {
    await expect(loadConfig(project(''), { MLX_MLFLOW_EXPERIMENT: '123' })).resolves.toMatchObject({
      mlflow: { experiment: '123' },
    });
  });

  it('are named when their value is wrong', async () => {
    const error = await failure('engine: host\n', { MLX_GATEWAY_PORT: 'high', MLX_ENGINE: 'dcker' });
    expect(error.problems).toEqual([
      {
        file: 'MLX_ENGINE',
        path: 'engine',
        message: "must be one of auto, docker, host, not the text 'dcker'; did you mean docker?",
      },
      { file: 'MLX_GATEWAY_PORT', path: 'gateway.port', message: "must be a number, not the text 'high'" },
    ]);
  });
});
