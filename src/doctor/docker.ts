// Docker: does an Engine answer, may this user use it, and are Compose and Buildx there.
import { fail, ok, skip, type Finding } from './finding.js';
import type { Answer, Machine } from './machine.js';

/** Compose 2.20 knows what compose/*.yaml use; Buildx 0.10 the build secrets. Older ones were not tried. */
const oldestCompose = [2, 20];
const oldestBuildx = [0, 10];

export async function checkDocker(machine: Machine): Promise<Finding[]> {
  const { docker } = machine;
  const needed = machine.engine.kind === 'docker';
  if (docker.reachable) return [ok('docker engine', `Docker Engine ${docker.version}${place(machine)}`)];
  if (!needed) return [skip('docker engine', docker.what)];
  return [fail('docker engine', docker.what, 'The docker engine runs every job in it.', docker.fix)];
}

export async function checkCompose(machine: Machine): Promise<Finding[]> {
  if (!machine.docker.reachable || machine.engine.kind === 'host') return [];
  const answer = await machine.ask('docker', 'compose', 'version', '--short');
  return [plugin('docker compose', answer, oldestCompose, 'docker-compose-plugin')];
}

export async function checkBuildx(machine: Machine): Promise<Finding[]> {
  if (!machine.docker.reachable || machine.engine.kind === 'host') return [];
  const answer = await machine.ask('docker', 'buildx', 'version');
  return [plugin('docker buildx', answer, oldestBuildx, 'docker-buildx-plugin')];
}

/** The package's name in Docker's own repository; the distribution's has no `-plugin`. */
function plugin(check: string, answer: Answer | undefined, oldest: readonly number[], systemPackage: string): Finding {
  const fix = `sudo apt install ${systemPackage} (Debian and Ubuntu's own: ${systemPackage.replace('-plugin', '')})`;
  const why = 'The docker engine builds and runs with it.';
  const version = /\d+(\.\d+)+/.exec(answer?.stdout ?? '')?.[0];
  if (answer === undefined)
    return fail(check, 'There is no docker command in PATH', why, `sudo apt install docker-cli; ${fix}`);
  if (answer.status !== 0 || version === undefined) return fail(check, `${check} is not installed`, why, fix);
  if (isAtLeast(version, oldest)) return ok(check, version);
  return fail(check, `${version} is older than ${oldest.join('.')}`, why, fix);
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
