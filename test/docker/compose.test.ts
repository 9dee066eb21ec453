// The Compose files as a person runs them: only the variables that their headers name, and all hardening in what Compose
// makes of them. Renders, starts nothing.
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { describe, expect, test } from 'vitest';

import { packageRoot } from '../../src/config/paths.js';

const run = promisify(execFile);
const folder = join(packageRoot(), 'compose');

type Mount = { type: string; source: string; target: string; read_only?: boolean };
type Service = {
  network_mode?: string;
  networks?: Record<string, unknown>;
  ports?: { host_ip?: string; published: string }[];
  volumes: Mount[];
  environment: Record<string, string | null>;
  deploy?: { resources: { reservations: { devices: { capabilities: string[]; count: number }[] } } };
  [key: string]: unknown;
};
type Rendered = {
  name: string;
  services: Record<string, Service>;
  networks?: Record<string, { driver_opts?: unknown }>;
};

/** What a person must set; everything else has a default. */
const needed = {
  'mlflow.yaml': {},
  'train.yaml': { MLX_OUT: '/srv/out' },
  'serve.yaml': { MLX_BASE: '/srv/base', MLX_SOCKETS: '/srv/sockets', MLX_MODEL_NAME: 'tax-helper' },
} as const;
const files = Object.keys(needed) as (keyof typeof needed)[];

/** Nothing of this shell but where programs are: a variable that no header names would be missed. */
async function compose(names: string[], variables: Record<string, string>, ...more: string[]): Promise<Rendered> {
  const args = names.flatMap((name) => ['--file', join(folder, name)]);
  const env = { PATH: process.env['PATH'] ?? '', HOME: process.env['HOME'] ?? '', ...variables };
  const { stdout } = await run('docker', ['compose', ...args, ...more, 'config', '--format', 'json'], { env });
  return JSON.parse(stdout) as Rendered;
}

async function onlyService(names: string[], variables: Record<string, string>, ...more: string[]): Promise<Service> {
  const services = Object.values((await compose(names, variables, ...more)).services);
  const [service] = services;
  if (!service || services.length > 1) throw new Error(`${services.length} services in ${names.join(', ')}`);
  return service;
}

function expectHardened(service: Service): void {
  expect(service).toMatchObject({
    read_only: true,
    cap_drop: ['ALL'],
    security_opt: ['no-new-privileges:true'],
    user: '10001:10001',
    logging: { driver: 'json-file', options: { 'max-file': '3' } },
    pull_policy: 'never',
  });
  expect(Number(service['pids_limit'])).toBeGreaterThan(0);
  expect(Number(service['mem_limit'])).toBeGreaterThan(0);
  expect(service['memswap_limit']).toBe(service['mem_limit']);
  expect(Number(service['shm_size'])).toBeGreaterThan(0);
  // A limit of 0 is left out of Compose's JSON: no core file, which would hold what the memory held.
  expect(service['ulimits']).toEqual({ core: {} });
  for (const key of ['privileged', 'cap_add', 'devices', 'pid', 'ipc']) expect(service).not.toHaveProperty(key);
  expect(service.volumes.map((mount) => mount.source)).not.toContain('/var/run/docker.sock');
}

function writable(service: Service): string[] {
  return service.volumes.filter((mount) => mount.read_only !== true).map((mount) => mount.target);
}

const answers = await run('docker', ['compose', 'version']).then(
  () => true,
  () => false,
);

describe.skipIf(!answers)(`the Compose files${answers ? '' : ' (skipped: docker compose does not answer)'}`, () => {
  test.each(files)('%s is hardened with nothing but its required variables', async (file) => {
    expectHardened(await onlyService([file], needed[file]));
  });

  test.each([...files, 'gpu.yaml', 'gpu-cdi.yaml'])('%s names in its header every variable that it reads', (file) => {
    const text = readFileSync(join(folder, file), 'utf8');
    const header = text.slice(0, text.search(/^[^#]/m));
    const interpolated = [...text.matchAll(/\$\{([A-Z_]+)/g)].map(([, name]) => name);
    const passedOn = [...text.matchAll(/^ {6}([A-Z_]+):$/gm)].map(([, name]) => name);
    const undocumented = [...interpolated, ...passedOn].filter((name) => !header.includes(name ?? ''));
    expect(undocumented).toEqual([]);
  });

  test('MLflow is published on 127.0.0.1 only, and its network leads nowhere', async () => {
    const rendered = await compose(['mlflow.yaml'], { MLX_MLFLOW_PORT: '4611' });
    expect(rendered.services['mlflow']?.ports).toMatchObject([{ host_ip: '127.0.0.1', published: '4611' }]);
    expect(rendered.networks?.['mlflow']?.driver_opts).toMatchObject({
      'com.docker.network.bridge.enable_ip_masquerade': 'false',
    });
    expect(rendered.services['mlflow']?.environment).toMatchObject({
      MLFLOW_DISABLE_TELEMETRY: 'true',
      MLFLOW_SERVER_ENABLE_JOB_EXECUTION: 'false',
    });
  });

  test('MLflow keeps its data in a volume, or in a folder that is named', async () => {
    const byDefault = await onlyService(['mlflow.yaml'], {});
    expect(byDefault.volumes).toMatchObject([{ type: 'volume', source: 'data', target: '/mlx/mlflow' }]);
    const named = await onlyService(['mlflow.yaml'], { MLX_MLFLOW_DATA: '/srv/mlflow' });
    expect(named.volumes).toMatchObject([{ type: 'bind', source: '/srv/mlflow', target: '/mlx/mlflow' }]);
  });

  test('a job has no network unless it is given one, and writes only its output', async () => {
    const job = await onlyService(['train.yaml'], needed['train.yaml']);
    expect(job.network_mode).toBe('none');
    expect(job.environment['HF_HUB_OFFLINE']).toBe('1');
    expect(writable(job)).toEqual(['/mlx/out']);
    const fetching = await onlyService(['train.yaml'], { ...needed['train.yaml'], MLX_NETWORK: 'bridge' });
    expect(fetching.network_mode).toBe('bridge');
  });

  test('a model server has no network and no port, and writes only beside its socket', async () => {
    const server = await onlyService(['serve.yaml'], needed['serve.yaml']);
    expect(server.network_mode).toBe('none');
    expect(server).not.toHaveProperty('ports');
    expect(writable(server)).toEqual(['/run/mlx']);
    expect(server).toMatchObject({ restart: 'always', labels: { 'mlx.model': 'tax-helper' } });
  });

  test('two servers are two Compose projects', async () => {
    const names = ['tax-helper-v1', 'tax-helper-v2'];
    const projects = names.map((MLX_SERVER) => compose(['serve.yaml'], { ...needed['serve.yaml'], MLX_SERVER }));
    expect((await Promise.all(projects)).map(({ name }) => name)).toEqual(names);
  });

  test.each([
    ['train.yaml', 'MLX_OUT'],
    ['serve.yaml', 'MLX_BASE'],
    ['serve.yaml', 'MLX_SOCKETS'],
    ['serve.yaml', 'MLX_MODEL_NAME'],
  ] as const)('%s without %s is refused by name', async (file, missing) => {
    await expect(compose([file], { ...needed[file], [missing]: '' })).rejects.toThrow(missing);
  });

  test.each([
    ['train.yaml', 'job'],
    ['serve.yaml', 'server'],
  ] as const)('gpu.yaml over %s asks for GPUs and takes no hardening away', async (file, name) => {
    const variables = { ...needed[file], MLX_GPUS: '1' };
    const service = await onlyService([file, 'gpu.yaml'], variables, '--profile', name);
    expect(service.deploy?.resources.reservations.devices).toMatchObject([{ capabilities: ['gpu'], count: 1 }]);
    expect(service.network_mode).toBe('none');
    expectHardened(service);
  });
});
