// Every setting, its value and where that came from: a flag, a variable, a line of mlx.yaml or the default.
import type { Paths } from './paths.js';
import { readConfigFile } from './load.js';
import { configSettings, environmentOverrides } from './settings.js';

export type ExplainedSetting = {
  key: string;
  value: string | number | boolean | null;
  source: 'flag' | 'variable' | 'file' | 'default';
  /** `--engine`, `MLX_ENGINE`, `mlx.yaml:12`, `default`. */
  origin: string;
  description: string;
  variables: string[];
};

/** @param flags values that flags of this call set, by dotted key: `{ engine: 'host' }` */
export async function explainConfig(
  paths: Pick<Paths, 'configFile'>,
  environment: NodeJS.ProcessEnv,
  flags: Record<string, string | undefined>,
): Promise<ExplainedSetting[]> {
  const { value, written, lineOf } = await readConfigFile(paths, environment);
  const variables = new Map(environmentOverrides(environment).map((one) => [one.path.join('.'), one.source]));
  return configSettings().map((setting) => {
    const { key } = setting;
    const path = key.split('.');
    const flag = flags[key];
    const variable = variables.get(key);
    const common = { key, description: setting.description, variables: setting.variables };
    if (flag !== undefined) return { ...common, value: flag, source: 'flag', origin: `--${key}` };
    const effective = masked(plain(at(value, path)));
    if (variable !== undefined) return { ...common, value: effective, source: 'variable', origin: variable };
    if (at(written, path) === undefined) return { ...common, value: effective, source: 'default', origin: 'default' };
    return { ...common, value: effective, source: 'file', origin: `mlx.yaml:${lineOf(path) ?? 1}` };
  });
}

function at(value: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>(
    (inner, key) => (typeof inner === 'object' && inner !== null ? (inner as Record<string, unknown>)[key] : undefined),
    value,
  );
}

function plain(value: unknown): string | number | boolean | null {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? value : null;
}

/** The user and password of an address are nobody's to read over a shoulder. */
function masked(value: string | number | boolean | null): string | number | boolean | null {
  return typeof value === 'string' ? value.replace(/^(\w+:\/\/)[^/@]+@/, '$1***@') : value;
}
