// The single settings of mlx.yaml, read off its schema, and the environment variables that go over them.
import { parse } from 'yaml';
import { z } from 'zod';

import { nearestName } from './nearest.js';
import { configSchema } from './schema.js';
import type { Override } from './yaml.js';

export type Setting = {
  /** Dotted: `gateway.port`. */
  key: string;
  description: string;
  /** The first one that is set counts. */
  variables: string[];
  isText: boolean;
};

/** Names that other tools already use for the same thing; they stand behind our own. */
const sharedVariables: Record<string, string> = {
  'mlflow.tracking_uri': 'MLFLOW_TRACKING_URI',
  'mlflow.experiment': 'MLFLOW_EXPERIMENT_NAME',
};

type Node = { type?: string; description?: string; properties?: Record<string, Node>; additionalProperties?: unknown };

export function configSettings(): Setting[] {
  return leaves(z.toJSONSchema(configSchema, { io: 'input' }) as Node, []);
}

/** The values that `MLX_*` variables put over mlx.yaml. An empty variable counts as not set. */
export function environmentOverrides(environment: NodeJS.ProcessEnv): Override[] {
  return configSettings().flatMap((setting) => {
    const variable = setting.variables.find((name) => (environment[name] ?? '') !== '');
    if (variable === undefined) return [];
    const text = environment[variable] ?? '';
    return [{ path: setting.key.split('.'), value: setting.isText ? text : scalar(text), source: variable }];
  });
}

/** Variables of ours that are no settings of mlx.yaml. */
const otherVariables = ['MLX_HOME', 'MLX_PROJECT', 'MLX_PYTHON', 'MLX_UV', 'MLX_ACTOR'];

/** Those that begin with `MLX_` and that nothing reads: a slip of the finger, or a setting of another version. */
export function unreadVariables(environment: NodeJS.ProcessEnv): { name: string; nearest: string | undefined }[] {
  const known = [...otherVariables, ...configSettings().flatMap(({ variables }) => variables)];
  return Object.keys(environment)
    .filter((name) => name.startsWith('MLX_') && !known.includes(name))
    .map((name) => ({ name, nearest: nearestName(name, known) }));
}

/** As YAML reads it: 4700 is a number, off is text. What is not YAML stays text, and the schema refuses it by name. */
export function scalar(text: string): unknown {
  try {
    return parse(text, { prettyErrors: false }) as unknown;
  } catch {
    return text;
  }
}

function leaves(node: Node, path: readonly string[]): Setting[] {
  return Object.entries(node.properties ?? {}).flatMap(([name, inner]) => {
    const at = [...path, name];
    if (inner.properties) return leaves(inner, at);
    // Names that the person chose (`upstreams`, `routes`): no single setting, and no variable for it.
    if (typeof inner.additionalProperties === 'object') return [];
    const key = at.join('.');
    const shared = sharedVariables[key];
    const own = `MLX_${at.join('_').toUpperCase()}`;
    return [
      {
        key,
        description: inner.description ?? '',
        variables: shared === undefined ? [own] : [own, shared],
        isText: inner.type === 'string',
      },
    ];
  });
}
