import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';

import { packageRoot } from '../../../../src/config/paths.js';
import { composeArgs } from '../../../../src/engine/docker/cli.js';
import { jobRun, type JobPlan } from '../../../../src/engine/docker/job-variables.js';
import { serverRun } from '../../../../src/engine/docker/server-variables.js';
import { serviceRun } from '../../../../src/engine/docker/service-variables.js';
import { checkpointGraceMs, type Job } from '../../../../src/engine/engine.js';

const user = { uid: 1000, gid: 1001 };

const training: Job = {
  id: 'tickets-3F9a',
  runtime: 'trainer',
  argv: ['train.py', '--spec', '{spec}', '--model', '{model}', '--data', '{data}', '--out', '{out}'],
  mounts: [
    { name: 'spec', source: '/p/runs/1/spec.json', writable: false },
    { name: 'model', source: '/home/models/base', writable: false },
    { name: 'data', source: '/p/runs/1/data', writable: false },
    { name: 'out', source: '/p/runs/1/out', writable: true },
  ],
  environment: { PYTHONHASHSEED: '0' },
  network: 'none',
  gpu: false,
};

const sealed: JobPlan = {
  projectId: '0123456789',
  image: 'sha256:aa',
  user,
  network: 'none',
  memoryBytes: 1024,
  gpu: undefined,
  tokenFile: undefined,
  certificatesFile: undefined,
};

describe('what compose/train.yaml is filled with', () => {
  it('is nothing that makes the training slower when determinism is fast, and the grace time that mlx itself gives', () => {
    const text = readFileSync(join(packageRoot(), 'compose', 'train.yaml'), 'utf8');
    const { job } = (parse(text) as { services: { job: Record<string, unknown> } }).services;
    expect(job['environment']).not.toHaveProperty('CUBLAS_WORKSPACE_CONFIG');
    expect(job['stop_grace_period']).toBe(`${checkpointGraceMs / 1000}s`);
    const environment = { CUBLAS_WORKSPACE_CONFIG: ':4096:8' };
    expect(jobRun({ ...training, environment }, sealed).args).toContain('CUBLAS_WORKSPACE_CONFIG');
  });

  it('holds every folder, the user, the limits and a label for a sealed training', () => {
    expect(jobRun(training, sealed)).toEqual({
      project: 'mlx-0123456789-job-tickets-3f9a',
      files: ['train.yaml'],
      variables: {
        PYTHONHASHSEED: '0',
        HF_ENDPOINT: '',
        HTTP_PROXY: '',
        HTTPS_PROXY: '',
        NO_PROXY: '',
        MLX_SPEC: '/p/runs/1/spec.json',
        MLX_MODEL: '/home/models/base',
        MLX_DATA: '/p/runs/1/data',
        MLX_OUT: '/p/runs/1/out',
        MLX_IMAGE: 'sha256:aa',
        MLX_UID: '1000',
        MLX_GID: '1001',
        MLX_NETWORK: 'none',
        MLX_MEMORY: '1024',
        MLX_PROJECT: '0123456789',
        MLX_RUN: 'tickets-3F9a',
      },
      args: [
        ...['run', '--detach', '--interactive=false', '--no-TTY', '--no-deps'],
        ...['--name', 'mlx-0123456789-job-tickets-3f9a'],
        ...['--label', 'mlx.run=tickets-3F9a', '--env', 'PYTHONHASHSEED'],
        ...['job', 'python', '/mlx/trainer/train.py', '--spec', '/mlx/spec.json', '--model', '/mlx/model'],
        ...['--data', '/mlx/data', '--out', '/mlx/out'],
      ],
    });
  });

  it('lays the GPU over it', () => {
    expect(jobRun(training, { ...sealed, gpu: 'nvidia' }).files).toEqual(['train.yaml', 'gpu.yaml']);
    expect(jobRun(training, { ...sealed, gpu: 'cdi' }).files).toEqual(['train.yaml', 'gpu-cdi.yaml']);
  });

  it('keeps the token of a download out of argv and environment, and hands proxies on by name', () => {
    const secret = 'hf_secret';
    const pull: Job = {
      ...training,
      id: 'pull-1',
      argv: ['fetch.py', '--out', '{out}'],
      mounts: [{ name: 'out', source: '/home/models/new', writable: true }],
      environment: { HF_TOKEN: secret, https_proxy: 'http://me:pw@proxy:1', HOME: '/tmp' },
      network: 'outside',
    };
    const plan: JobPlan = { ...sealed, network: 'bridge', tokenFile: '/scratch/token', certificatesFile: '/scratch/c' };
    const run = jobRun(pull, plan);
    expect(run.args).toEqual([
      ...['run', '--detach', '--interactive=false', '--no-TTY', '--no-deps'],
      ...['--name', 'mlx-0123456789-job-pull-1', '--label', 'mlx.run=pull-1'],
      ...['--env', 'https_proxy', '--env', 'HOME=/tmp', 'job', 'python', '/mlx/trainer/fetch.py', '--out', '/mlx/out'],
    ]);
    expect(run.variables).toMatchObject({
      MLX_HF_TOKEN_FILE: '/scratch/token',
      MLX_CERTIFICATES: '/scratch/c',
      MLX_NETWORK: 'bridge',
      HF_HUB_OFFLINE: '0',
      HTTPS_PROXY: 'http://me:pw@proxy:1',
    });
    expect(JSON.stringify(run)).not.toContain(secret);
    // HOME is the docker CLI's own: it finds its settings there.
    expect(run.variables).not.toHaveProperty('HOME');
  });

  it('adds mounts for which the file has no place, read-only unless they are written', () => {
    const mounts = [
      { name: 'probe', source: '/p/probe', writable: false },
      { name: 'model', source: '/p/new-model', writable: true },
    ];
    const run = jobRun({ ...training, argv: ['x.py', '{probe}', '{model}'], mounts }, sealed);
    expect(run.args.join(' ')).toContain(
      '--volume /p/probe:/mlx/mounts/probe:ro --volume /p/new-model:/mlx/mounts/model ',
    );
    expect(run.args.slice(-3)).toEqual(['/mlx/trainer/x.py', '/mlx/mounts/probe', '/mlx/mounts/model']);
    expect(run.variables).toMatchObject({ MLX_OUT: '/dev/null' });
    expect(run.variables).not.toHaveProperty('MLX_MODEL');
  });
});

describe('what compose/serve.yaml is filled with', () => {
  const spec = {
    id: 'tax.helper-v3-3f9a',
    model: 'tax.helper',
    version: 3,
    digest: 'sha256:bb',
    baseModel: '/home/models/base',
    gpu: true,
    settings: {},
  };

  it('holds the image by its digest and a Compose project of its own', () => {
    const folders = { socketFolder: '/p/run/s', adapters: '/p/adapters/s' };
    const plan = {
      projectId: '0123456789',
      user,
      ...folders,
      memoryBytes: 2048,
      gpu: 'nvidia' as const,
      sleepMode: true,
    };
    expect(serverRun(spec, plan)).toEqual({
      project: 'mlx-0123456789-tax-helper-v3-3f9a',
      files: ['serve.yaml', 'gpu.yaml'],
      variables: {
        MLX_IMAGE: 'sha256:bb',
        MLX_BASE: '/home/models/base',
        MLX_SOCKETS: '/p/run/s',
        MLX_ADAPTERS: '/p/adapters/s',
        MLX_MODEL_NAME: 'tax.helper',
        MLX_VERSION: '3',
        MLX_SERVER: 'tax.helper-v3-3f9a',
        MLX_PROJECT: '0123456789',
        MLX_MEMORY: '2048',
        MLX_SLEEP_MODE: '1',
        MLX_UID: '1000',
        MLX_GID: '1001',
      },
      args: ['up', '--detach', '--no-deps', '--no-build', 'server'],
    });
  });
});

describe('what compose/mlflow.yaml is filled with', () => {
  it('holds image, port and data folder', () => {
    const spec = { name: 'mlflow' as const, port: 4601, dataFolder: '/p/.mlx/mlflow' };
    expect(serviceRun(spec, { projectId: '0123456789', image: 'sha256:cc', user })).toEqual({
      project: 'mlx-0123456789-mlflow',
      files: ['mlflow.yaml'],
      variables: {
        MLX_MLFLOW_IMAGE: 'sha256:cc',
        MLX_MLFLOW_PORT: '4601',
        MLX_MLFLOW_DATA: '/p/.mlx/mlflow',
        MLX_PROJECT: '0123456789',
        MLX_UID: '1000',
        MLX_GID: '1001',
      },
      args: ['up', '--detach', '--wait', '--wait-timeout', '180', 'mlflow'],
    });
  });
});

describe('the command line of Compose', () => {
  it('names its files and its project before the command', () => {
    const run = {
      folder: '/mlx/compose',
      files: ['train.yaml', 'gpu.yaml'],
      project: 'mlx-1-job-2',
      args: ['run', 'job'],
    };
    expect(composeArgs(run)).toEqual([
      ...['compose', '--progress', 'plain', '--project-name', 'mlx-1-job-2'],
      ...['--file', '/mlx/compose/train.yaml', '--file', '/mlx/compose/gpu.yaml', 'run', 'job'],
    ]);
  });
});
