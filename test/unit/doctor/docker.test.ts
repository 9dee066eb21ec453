import { describe, expect, it } from 'vitest';

import { checkBuildx, checkCompose, checkDocker, isAtLeast } from '../../../src/doctor/docker.js';
import { chosenEngine } from '../../../src/doctor/machine.js';
import { fakeMachine, host } from './fake-machine.js';

const gone = {
  reachable: false,
  what: 'The Docker Engine does not answer.',
  fix: 'sudo systemctl start docker',
} as const;

describe('the Docker checks', () => {
  it('fail when the docker engine is chosen and none answers', async () => {
    const [finding] = await checkDocker(fakeMachine({ docker: gone }));
    expect(finding).toMatchObject({ status: 'fail', what: gone.what, fix: gone.fix });
  });

  it('skip a missing Docker when the host engine is chosen', async () => {
    const machine = fakeMachine({ docker: gone, engine: host });
    expect(await checkDocker(machine)).toMatchObject([{ status: 'skip' }]);
    expect(await checkCompose(machine)).toEqual([]);
    expect(machine.asked).toEqual([]);
  });

  it('tell a missing docker command from a missing plugin and from an old one', async () => {
    const machine = fakeMachine();
    expect(await checkCompose(machine)).toMatchObject([{ status: 'fail', what: 'There is no docker command in PATH' }]);
    machine.answers['docker compose'] = { status: 1, stdout: '' };
    expect(await checkCompose(machine)).toMatchObject([{ status: 'fail', what: 'docker compose is not installed' }]);
    machine.answers['docker compose'] = { status: 0, stdout: '2.17.3' };
    expect(await checkCompose(machine)).toMatchObject([{ status: 'fail', what: '2.17.3 is older than 2.20' }]);
    machine.answers['docker compose'] = { status: 0, stdout: 'v2.26.1-4' };
    expect(await checkCompose(machine)).toMatchObject([{ status: 'ok', what: '2.26.1' }]);
  });

  it('reads the version out of what Buildx says', async () => {
    const machine = fakeMachine();
    machine.answers['docker buildx version'] = { status: 0, stdout: 'github.com/docker/buildx 0.13.1+ds1 0.13.1' };
    expect(await checkBuildx(machine)).toMatchObject([{ status: 'ok', what: '0.13.1' }]);
  });

  it('compares versions by number', () => {
    expect(isAtLeast('2.9.0', [2, 20])).toBe(false);
    expect(isAtLeast('2.20', [2, 20])).toBe(true);
    expect(isAtLeast('3.0.0', [2, 20])).toBe(true);
  });
});

describe('the engine that is examined', () => {
  it('is the one of the flag, then of mlx.yaml, then the one that is there', () => {
    expect(chosenEngine('host', 'docker', true).kind).toBe('host');
    expect(chosenEngine(undefined, 'docker', false).kind).toBe('docker');
    expect(chosenEngine(undefined, 'auto', true).kind).toBe('docker');
    expect(chosenEngine(undefined, 'auto', false)).toEqual({ kind: 'host', why: 'no Docker Engine answers' });
  });
});
