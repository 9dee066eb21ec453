// systemd of the person who runs mlx: a unit that starts a program at boot and again when it fails. Touches ~/.config/systemd/user.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

import { MlxError } from '../errors.js';
import { askProgram, runProgram } from './exec.js';

export function unitFile(environment: NodeJS.ProcessEnv, home: string, name: string): string {
  const config = environment['XDG_CONFIG_HOME'] || join(home, '.config');
  return join(config, 'systemd', 'user', name);
}

/** Whether this person's systemd can be asked: not on macOS, nor in most containers. */
export async function hasUserSystemd(environment: NodeJS.ProcessEnv): Promise<boolean> {
  const answer = await askProgram({ file: 'systemctl', args: ['--user', 'show-environment'], environment });
  return answer?.status === 0;
}

/** Started at boot, and now where `startNow`. @throws MlxError UNIT_FAILED */
export async function installUnit(
  environment: NodeJS.ProcessEnv,
  file: string,
  name: string,
  text: string,
  startNow: boolean,
): Promise<void> {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text, { mode: 0o600 });
  await systemctl(environment, ['daemon-reload']);
  await systemctl(environment, ['enable', ...(startNow ? ['--now'] : []), name]);
}

export async function removeUnit(environment: NodeJS.ProcessEnv, file: string, name: string): Promise<void> {
  await systemctl(environment, ['disable', '--now', name]);
  rmSync(file, { force: true });
  await systemctl(environment, ['daemon-reload']);
}

async function systemctl(environment: NodeJS.ProcessEnv, args: string[]): Promise<void> {
  const lines: string[] = [];
  const program = { file: 'systemctl', args: ['--user', ...args], environment };
  const { status } = await runProgram(program, {
    signal: new AbortController().signal,
    onStderr: (line) => void lines.push(line),
  });
  if (status === 0) return;
  throw new MlxError(
    'UNIT_FAILED',
    `systemctl --user ${args.join(' ')} ended with status ${status}: ${lines.join(' ')}`,
    {
      hint: 'See what it says of the unit: systemctl --user status',
    },
  );
}
