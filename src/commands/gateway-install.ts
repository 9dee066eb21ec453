// `mlx gateway install`: the gateway as a systemd unit of the person, started at boot. Touches ~/.config/systemd/user.
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

import { environmentOverrides } from '../config/settings.js';
import type { Context } from '../context.js';
import { engineVariables } from '../engine/docker/engine-variables.js';
import { hasUserSystemd, installUnit, removeUnit, unitFile } from '../engine/systemd.js';
import { gatewayControl } from '../gateway/control.js';
import { gatewayProgram } from '../gateway/program.js';
import { unitName, unitText, type UnitFacts } from '../gateway/unit.js';
import { outcome, verbatim, type Outcome } from '../output/output.js';
import type { CommandModule } from '../program.js';

export const define: CommandModule['define'] = (command) => {
  command
    .option('--print', 'print the unit and change nothing')
    .option('--uninstall', 'stop it and take the unit away again');
  command.addHelpText(
    'after',
    `
After a reboot the unit starts the gateway, and the gateway starts the model servers of its routes that are gone; containers Docker
starts by itself. Without a systemd that can be asked it says what to do instead. Keys of upstreams that stand in variables go, one
NAME=VALUE a line, into .mlx/secrets/gateway.env: a unit does not see those of your shell. Which Docker Engine this shell means
(DOCKER_HOST, DOCKER_CONTEXT) is written into the unit.

Examples:
  mlx gateway install
  mlx gateway install --print
  mlx gateway install --uninstall`,
  );
};

export const run: CommandModule['run'] = async (context, _args, flags) => {
  const facts = await unitFacts(context);
  const [name, text] = [unitName(facts), unitText(facts)];
  const home = context.environment['HOME'] ?? homedir();
  const file = unitFile(context.environment, home, name);
  if (flags['print'] === true) return verbatim({ name, file, text }, () => text.trimEnd());
  if (flags['uninstall'] === true) return uninstall(context, { name, file });
  if (context.flags.dryRun)
    return outcome({ dryRun: true, name, file, text }, () => `Would write ${file} and enable it.`);
  if (!(await hasUserSystemd(context.environment)))
    return verbatim({ installed: false, name, file, text }, () => withoutSystemd(facts));
  const running = (await gatewayControl(context.paths().sockets).state()) !== undefined;
  await installUnit(context.environment, file, name, text, !running);
  return outcome({ installed: true, started: !running, name, file }, () => installed(name, file, running));
};

async function unitFacts(context: Context): Promise<UnitFacts> {
  const { project, projectId, secrets } = context.paths();
  return {
    ...{ project, projectId, keysFile: join(secrets, 'gateway.env') },
    program: gatewayProgram(),
    path: context.environment['PATH'] ?? '/usr/local/bin:/usr/bin:/bin',
    variables: settingVariables(context.environment),
    drainTimeoutMs: (await context.config()).serving.drainTimeoutMs,
  };
}

/** Those of this shell that decide what the gateway does, and which Docker Engine the commands mean that it starts; an address of MLflow may hold a password, and is no business of it. */
function settingVariables(environment: NodeJS.ProcessEnv): Record<string, string> {
  const settings = environmentOverrides(environment).map(({ source }) => source);
  const names = [
    'MLX_HOME',
    ...engineVariables,
    ...settings.filter((name) => name.startsWith('MLX_') && !name.endsWith('_URI')),
  ];
  return Object.fromEntries(names.flatMap((name) => (environment[name] ? [[name, environment[name]] as const] : [])));
}

async function uninstall(context: Context, { name, file }: { name: string; file: string }): Promise<Outcome> {
  const { dryRun } = context.flags;
  const found = existsSync(file);
  if (found && !dryRun) await removeUnit(context.environment, file, name);
  return outcome({ uninstalled: found && !dryRun, dryRun, name, file }, () => {
    if (!found) return `There is no unit ${name}.`;
    return dryRun ? `Would stop ${name} and delete ${file}.` : `${name} is stopped and gone.`;
  });
}

function installed(name: string, file: string, running: boolean): string {
  const now = running
    ? `A gateway runs already; the unit takes over at the next boot, or now: mlx gateway stop && systemctl --user start ${name}`
    : 'It is started.';
  return [
    `The gateway starts at boot: ${file}`,
    now,
    'So that it runs while nobody is logged in: loginctl enable-linger',
    `Its lines: journalctl --user -u ${name}`,
  ].join('\n');
}

function withoutSystemd({ program, project }: UnitFacts): string {
  return [
    'No systemd of yours answers here (systemctl --user): nothing was installed.',
    'Start the gateway at boot with what this machine has, for example a line of crontab -e:',
    `  @reboot ${program.map((word) => `'${word}'`).join(' ')} gateway start --project '${project}'`,
    'The unit for a machine that has it: mlx gateway install --print',
  ].join('\n');
}
