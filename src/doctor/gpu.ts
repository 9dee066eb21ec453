// The chain from the NVIDIA driver to torch, link by link: the first broken one is named with its fix, the rest is not asked.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { packageRoot } from '../config/paths.js';
import { imageRecipe } from '../engine/docker/image-recipes.js';
import { fail, ok, skip, warn, type Finding } from './finding.js';
import type { Answer, Machine } from './machine.js';
import { trainerPython } from './python.js';

const torchQuestion = `import json, torch
devices = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
print(json.dumps({"torch": torch.__version__, "cuda": torch.version.cuda, "devices": devices}))`;

export async function checkGpu(machine: Machine): Promise<Finding[]> {
  if (machine.config.gpu === 'off') return [skip('gpu', 'switched off in mlx.yaml (gpu: off)')];
  const driver = await checkDriver(machine);
  if (driver.status !== 'ok') return [driver];
  return [driver, ...(machine.engine.kind === 'docker' ? await dockerChain(machine) : await hostChain(machine))];
}

async function checkDriver(machine: Machine): Promise<Finding> {
  const query = ['--query-gpu=name,memory.total,driver_version', '--format=csv,noheader'];
  const answer = await machine.ask('nvidia-smi', ...query);
  if (answer?.status === 0) return ok('nvidia driver', answer.stdout.trim().split('\n').join('; '));
  const why = 'Without it everything runs on the CPU.';
  const fix = 'sudo apt install nvidia-driver (Ubuntu: sudo ubuntu-drivers install), then restart the machine';
  if (answer) return fail('nvidia driver', `nvidia-smi fails with status ${answer.status ?? '?'}`, why, fix);
  if (hasNvidiaCard()) return warn('nvidia driver', 'There is an NVIDIA card, but no nvidia-smi', why, fix);
  return skip('gpu', 'no NVIDIA GPU: training and serving use the CPU');
}

async function dockerChain(machine: Machine): Promise<Finding[]> {
  const { docker, config } = machine;
  if (!docker.reachable) return [];
  const why = 'Docker cannot hand the GPU to a container, so jobs would run on the CPU.';
  if (docker.gpu === undefined) return [fail('container toolkit', await toolkitState(machine), why, toolkitFix)];
  const way = docker.gpu === 'cdi' ? 'devices described for CDI' : 'NVIDIA runtime registered';
  const toolkit = ok('container toolkit', way);
  const image = imageRecipe(packageRoot(), 'trainer', { baseImage: config.docker.baseImage, gpu: true }).reference;
  const built = await machine.ask('docker', 'image', 'inspect', '--format', '{{.Id}}', image);
  if (built?.status !== 0) return [toolkit, skip('cuda in image', `${image} is built on the first run`)];
  const device = docker.gpu === 'cdi' ? ['--device', 'nvidia.com/gpu=all'] : ['--gpus', 'all'];
  const run = ['run', '--rm', '--network', 'none', ...device, '--entrypoint'];
  const inside = await machine.ask('docker', ...run, 'nvidia-smi', image, '-L');
  if (inside?.status !== 0)
    return [toolkit, fail('cuda in image', `nvidia-smi fails inside ${image}`, why, toolkitFix)];
  const answer = await machine.ask('docker', ...run, 'python', image, '-c', torchQuestion);
  return [toolkit, ok('cuda in image', image), torchFinding(answer, 'the trainer image')];
}

const toolkitFix =
  'sudo apt install nvidia-container-toolkit && sudo nvidia-ctk runtime configure --runtime=docker && sudo systemctl restart docker';

async function toolkitState(machine: Machine): Promise<string> {
  const toolkit = await machine.ask('nvidia-ctk', '--version');
  return toolkit?.status === 0
    ? 'The container toolkit is installed, but the Docker Engine does not know it'
    : 'The NVIDIA container toolkit is not installed';
}

async function hostChain(machine: Machine): Promise<Finding[]> {
  const python = await trainerPython(machine);
  if (python === undefined) return [skip('torch', 'asked once the trainer packages are installed')];
  return [torchFinding(await machine.ask(python, '-c', torchQuestion), 'the trainer packages')];
}

function torchFinding(answer: Answer | undefined, where: string): Finding {
  if (answer?.status !== 0) {
    const what = `torch of ${where} cannot be imported (status ${answer?.status ?? '?'})`;
    return fail('torch', what, 'Nothing can be trained.', 'mlx train then prints why; or delete MLX_HOME/venvs');
  }
  const { torch, cuda, devices } = JSON.parse(answer.stdout) as {
    torch: string;
    cuda: string | null;
    devices: string[];
  };
  if (devices.length > 0) return ok('torch', `torch ${torch}, CUDA ${cuda ?? '?'}, sees ${devices.join(', ')}`);
  const why =
    cuda === null
      ? 'It is a build for the CPU alone.'
      : 'Most often the driver is older than this CUDA, or CUDA_VISIBLE_DEVICES hides the GPU.';
  return fail(
    'torch',
    `torch ${torch} of ${where} sees no GPU`,
    why,
    'Update the driver: sudo apt install nvidia-driver',
  );
}

/** PCI vendor 10de is NVIDIA, class 03 a display controller. */
function hasNvidiaCard(): boolean {
  const folder = '/sys/bus/pci/devices';
  try {
    return readdirSync(folder).some(
      (device) =>
        readFileSync(join(folder, device, 'vendor'), 'utf8').trim() === '0x10de' &&
        readFileSync(join(folder, device, 'class'), 'utf8').startsWith('0x03'),
    );
  } catch {
    return false;
  }
}
