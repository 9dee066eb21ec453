// The systemd unit of a project's gateway, as text. Pure.
import { basename } from 'node:path';

export type UnitFacts = {
  project: string;
  projectId: string;
  /** Node, its flags and bin/mlx.js. */
  program: readonly string[];
  /** Finds Python and small programs. */
  path: string;
  /** MLX_HOME, settings of mlx.yaml that variables put over it and the Docker Engine, of the command that installs: a boot has no shell. */
  variables: Readonly<Record<string, string>>;
  drainTimeoutMs: number;
  /** Variables with the keys of upstreams, one NAME=VALUE a line; may be absent. */
  keysFile: string;
};

/** Two projects of the same name have two units. */
export function unitName({ project, projectId }: Pick<UnitFacts, 'project' | 'projectId'>): string {
  const name = basename(project).replaceAll(/[^A-Za-z0-9_-]/g, '-');
  return `mlx-gateway-${name}-${projectId}.service`;
}

/** A stop of a person's (exit status 0) is a stop; anything else starts it again. */
export function unitText(facts: UnitFacts): string {
  const { project, program, path, variables, drainTimeoutMs, keysFile } = facts;
  const environment = Object.entries({ PATH: path, ...variables }).map(([name, value]) => `${name}=${value}`);
  const words = [...program, 'gateway', 'start', '--foreground', '--project', project];
  return `[Unit]
Description=mlx gateway of ${escaped(project)}
StartLimitIntervalSec=0

[Service]
Type=exec
WorkingDirectory=${escaped(project)}
ExecStart=${words.map(quoted).join(' ')}
${environment.map((line) => `Environment=${quoted(line)}`).join('\n')}
EnvironmentFile=-${escaped(keysFile)}
Restart=on-failure
RestartSec=2
KillMode=process
TimeoutStopSec=${Math.ceil(drainTimeoutMs / 1000) + 30}

[Install]
WantedBy=default.target
`;
}

/** Specifiers begin with a percent sign: systemd.unit(5). */
function escaped(text: string): string {
  return text.replaceAll('%', '%%');
}

/** Quoting of systemd.syntax(7); a dollar sign would be a variable of ExecStart. */
function quoted(text: string): string {
  return `"${escaped(text).replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('$', '$$$$')}"`;
}
