import type { ContainerInspectInfo } from 'dockerode';
import { describe, expect, it } from 'vitest';

import { dockerGpu } from '../../../../src/engine/docker/gpu.js';
import { payloads } from '../../../../src/engine/docker/log-lines.js';
import { limitBytes } from '../../../../src/engine/docker/memory.js';
import { modelServer, socketFolderOf } from '../../../../src/engine/docker/servers.js';
import { containerState } from '../../../../src/engine/docker/services.js';
import { imageDate, versionLabels } from '../../../../src/engine/docker/versions.js';

const running = { Status: 'running', Running: true, Restarting: false, ExitCode: 0, StartedAt: '2026-11-21T02:00:00Z' };

function container(state: object, RestartCount = 0): ContainerInspectInfo {
  return {
    Created: '2026-11-21T01:59:00Z',
    Image: 'sha256:bb',
    RestartCount,
    State: { ...running, ...state },
    Config: { Labels: { 'mlx.server': 'tickets-v1-3f9a', 'mlx.model': 'tickets', 'mlx.version': '1' } },
    Mounts: [{ Destination: '/run/mlx', Source: '/p/run/tickets-v1-3f9a' }],
  } as unknown as ContainerInspectInfo;
}

describe('a model server, read off its container', () => {
  it('is what its labels, image and mounts say', () => {
    expect(modelServer(container({ Health: { Status: 'healthy' } }, 2))).toEqual({
      id: 'tickets-v1-3f9a',
      servedName: 'tickets',
      takesAdapters: false,
      model: 'tickets',
      version: 1,
      digest: 'sha256:bb',
      state: 'running',
      address: 'unix:/p/run/tickets-v1-3f9a/vllm.sock',
      startedAtMs: Date.parse('2026-11-21T02:00:00Z'),
      exitStatus: null,
      restarts: 2,
    });
  });

  it('starts until it is healthy', () => {
    expect(modelServer(container({ Health: { Status: 'starting' } })).state).toBe('starting');
  });

  it('has exited, with its exit status, when its container has', () => {
    const ended = container({ Status: 'exited', Running: false, ExitCode: 1 });
    expect(modelServer(ended)).toMatchObject({ state: 'exited', exitStatus: 1 });
  });

  it('has exited when Docker only starts it over and over', () => {
    const between = container({ Status: 'restarting', Running: true, Restarting: true, ExitCode: 1 }, 2);
    expect(modelServer(between)).toMatchObject({ state: 'exited', exitStatus: 1 });
    expect(modelServer(container({ Health: { Status: 'starting' } }, 3)).state).toBe('exited');
    expect(modelServer(container({ Health: { Status: 'healthy' } }, 3)).state).toBe('running');
  });

  it('has a socket whose path a kernel takes, however long its name is', () => {
    const paths = { sockets: `/run/${'s'.repeat(50)}` };
    expect(socketFolderOf({ paths }, 'tickets-v1-3f9a')).toBe(`${paths.sockets}/tickets-v1-3f9a`);
    expect(`${socketFolderOf({ paths }, 'x'.repeat(70))}/vllm.sock`.length).toBeLessThan(103);
  });
});

describe('a service, read off its container', () => {
  it.each([
    [{ Health: { Status: 'healthy' } }, 0, 'running'],
    [{ Health: { Status: 'starting' } }, 0, 'starting'],
    [{ Health: { Status: 'starting' } }, 1, 'unhealthy'],
    [{ Health: { Status: 'unhealthy' } }, 0, 'unhealthy'],
    [{ Status: 'restarting', Restarting: true }, 4, 'unhealthy'],
    [{ Status: 'exited', Running: false }, 0, 'exited'],
    [{ Status: 'created', Running: false }, 0, 'starting'],
  ])('%j after %d restarts is %s', (state, restarts, expected) => {
    expect(containerState(container(state, restarts))).toBe(expected);
  });
});

describe('a model version', () => {
  it("carries who it is in labels, and the caller's own beside them", () => {
    const contents = { model: 'tickets', version: 2, labels: { 'mlx.run': 'r1' } };
    expect(versionLabels('0123456789', contents, 'sha256:cc')).toEqual({
      'mlx.run': 'r1',
      'mlx.project': '0123456789',
      'mlx.model': 'tickets',
      'mlx.version': '2',
      'org.opencontainers.image.title': 'tickets',
      'org.opencontainers.image.version': '2',
      'org.opencontainers.image.base.digest': 'sha256:cc',
    });
  });

  it('has the date that its caller gives, and none of its own', () => {
    expect(imageDate({ 'org.opencontainers.image.created': '2026-11-20T10:00:00.500Z' })).toBe('1795168800');
    expect(imageDate({})).toBe('0');
  });
});

describe('what the Engine says about itself', () => {
  it('is a GPU through the runtime before CDI', () => {
    expect(dockerGpu({ Runtimes: { runc: {}, nvidia: {} } })).toBe('nvidia');
    expect(dockerGpu({ Runtimes: { runc: {} }, DiscoveredDevices: [{ ID: 'nvidia.com/gpu=all' }] })).toBe('cdi');
    expect(dockerGpu({ Runtimes: { runc: {} }, DiscoveredDevices: null })).toBeUndefined();
  });

  it('is a memory limit that leaves the machine a rest, unless mlx.yaml sets one', () => {
    const gib = 2 ** 30;
    expect(limitBytes(24 * gib)).toBe(23 * gib);
    expect(limitBytes(gib)).toBe(gib / 2);
    expect(limitBytes(24 * gib, 8)).toBe(8 * gib);
    expect(limitBytes(0)).toBe(0);
  });

  it('is log lines without their frames', () => {
    const frame = (text: string) => Buffer.concat([Buffer.from([1, 0, 0, 0, 0, 0, 0, text.length]), Buffer.from(text)]);
    expect(payloads(Buffer.concat([frame('one\n'), frame('two\n')])).toString()).toBe('one\ntwo\n');
  });
});
