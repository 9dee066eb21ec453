import { describe, expect, it } from 'vitest';

import { checkGpu } from '../../../src/doctor/gpu.js';
import { fakeMachine, type FakeMachine } from './fake-machine.js';

const card = { status: 0, stdout: 'NVIDIA H200, 143771 MiB, 570.86.15' };
const withToolkit = { reachable: true, version: '28.0.0', rootFolder: undefined, gpu: 'cdi' } as const;

function machineWithGpu(docker: FakeMachine['docker']): FakeMachine {
  const machine = fakeMachine({ docker });
  machine.answers['nvidia-smi'] = card;
  return machine;
}

describe('the GPU chain', () => {
  it('is skipped where there is no card, and where mlx.yaml switches it off', async () => {
    const machine = fakeMachine();
    expect((await checkGpu(machine)).map(({ status }) => status)).toEqual(['skip']);
    machine.config.gpu = 'off';
    machine.asked.length = 0;
    expect(await checkGpu(machine)).toMatchObject([{ status: 'skip', what: 'switched off in mlx.yaml (gpu: off)' }]);
    expect(machine.asked).toEqual([]);
  });

  it('ends at a driver that does not work', async () => {
    const machine = fakeMachine();
    machine.answers['nvidia-smi'] = { status: 9, stdout: '' };
    expect(await checkGpu(machine)).toMatchObject([{ check: 'nvidia driver', status: 'fail' }]);
  });

  it('ends at the container toolkit and tells an absent one from one that Docker does not know', async () => {
    const machine = machineWithGpu({ ...withToolkit, gpu: undefined });
    expect((await checkGpu(machine)).at(-1)).toMatchObject({
      check: 'container toolkit',
      status: 'fail',
      what: 'The NVIDIA container toolkit is not installed',
    });
    machine.answers['nvidia-ctk --version'] = { status: 0, stdout: '1.20.0' };
    expect((await checkGpu(machine)).at(-1)?.what).toContain('does not know it');
  });

  it('waits for the image before it asks inside it', async () => {
    const findings = await checkGpu(machineWithGpu(withToolkit));
    expect(findings.map(({ check, status }) => [check, status])).toEqual([
      ['nvidia driver', 'ok'],
      ['container toolkit', 'ok'],
      ['cuda in image', 'skip'],
    ]);
  });

  it('names torch when everything before it works and torch sees no GPU', async () => {
    const machine = machineWithGpu(withToolkit);
    machine.answers['docker image inspect'] = { status: 0, stdout: 'sha256:1' };
    machine.answers['docker run'] = { status: 0, stdout: '{"torch": "2.13.0", "cuda": "12.8", "devices": []}' };
    const findings = await checkGpu(machine);
    expect(findings.at(-1)).toMatchObject({ check: 'torch', status: 'fail' });
    expect(findings.at(-1)?.why).toContain('driver is older');
    expect(machine.asked.at(-1)).toContain('run --rm --network none --device nvidia.com/gpu=all --entrypoint python');
  });

  it('is whole when torch names the card', async () => {
    const machine = machineWithGpu({ ...withToolkit, gpu: 'nvidia' });
    machine.answers['docker image inspect'] = { status: 0, stdout: 'sha256:1' };
    machine.answers['docker run'] = {
      status: 0,
      stdout: '{"torch": "2.13.0", "cuda": "12.8", "devices": ["NVIDIA H200"]}',
    };
    expect((await checkGpu(machine)).map(({ status }) => status)).toEqual(['ok', 'ok', 'ok', 'ok']);
    expect(machine.asked.at(-1)).toContain('--gpus all');
  });
});
