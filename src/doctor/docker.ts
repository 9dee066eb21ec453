// Docker: does an Engine answer, may this user use it, and are Compose and Buildx there.
import { missing, ok, skip, type Finding } from './finding.js';
import type { Answer, Machine } from './machine.js';

/** Compose 2.20 knows what compose/*.yaml use; Buildx 0.10 the build secrets. Older ones were not tried. */
const oldestCompose = [2, 20];
const oldestBuildx = [0, 10];

export async function checkDocker(machine: Machine): Promise<Finding[]> {
  const { docker } = machine;
  const needed = machine.engine.kind === 'docker';
  if (docker.reachable) return [ok('docker engine', `Docker Engine ${docker.version}${place(machine)}`)];
  if (!needed) return [skip('docker engine', `${docker.what} The host engine works without it.`)];
  return [missing(true, 'docker engine', docker.what, 'The docker engine runs every job in it.', docker.fix)];
}

export async function checkCompose(machine: Machine): Promise<Finding[]> {
  if (!machine.docker.reachable) return [];
  const answer = await machine.ask('docker', 'compose', 'version', '--short');
  return [plugin(machine, 'docker compose', answer, oldestCompose, 'docker-compose-plugin')];
}

export async function checkBuildx(machine: Machine): Promise<Finding[]> {
  if (!machine.docker.reachable) return [];
  const answer = await machine.ask('docker', 'buildx', 'version');
  return [plugin(machine, 'docker buildx', answer, oldestBuildx, 'docker-buildx-plugin')];
}

/** Names: Docker's own repository first, then the distribution's. */
function plugin(
  machine: Machine,
  check: string,
  answer: Answer | undefined,
  oldest: readonly number[],
  systemPackage: string,
): Finding {
  const needed = machine.engine.kind === 'docker';
  const distribution = systemPackage.replace('-plugin', '');
  const fix = `sudo apt install ${systemPackage} (Debian and Ubuntu's own: ${distribution})`;
  const why = 'The docker engine builds and runs with it.';
  const version = /\d+(\.\d+)+/.exec(answer?.stdout ?? '')?.[0];
  if (answer === undefined) return missing(needed, check, 'There is no docker command in PATH', why, fix);
  if (answer.status !== 0 || version === undefined) return missing(needed, check, `${check} does not answer`, why, fix);
  if (isAtLeast(version, oldest)) return ok(check, version);
  return missing(needed, check, `${version} is older than ${oldest.join('.')}`, why, fix);
}

export function isAtLeast(version: string, oldest: readonly number[]): boolean {
  const parts = version.split('.').map(Number);
  for (const [index, part] of oldest.entries()) {
    const difference = (parts[index] ?? 0) - part;
    if (difference !== 0) return difference > 0;
  }
  return true;
}

function place(machine: Machine): string {
  const host = machine.environment['DOCKER_HOST'];
  return host === undefined ? '' : ` at ${host}`;
}
