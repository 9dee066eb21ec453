// mlx.yaml: `upstreams`, the model hosts that routes may name beside this machine's own models. A key is never in the file:
// only where it lies.
import { z } from 'zod';

import { rewriteSchema, toRewrite, type Rewrite } from './rewrite-schema.js';

export type Upstream = {
  name: string;
  dialect: 'openai' | 'anthropic';
  /** Without a slash at its end; as the official client of the dialect takes it. */
  url: string;
  /** Where its key is: a variable, or a file that only its user may read. undefined: it needs none. */
  key: { variable: string } | { file: string } | undefined;
  /** Runs on this machine, so that private requests may go there. */
  local: boolean;
  rewrite: Rewrite;
};

/** Enough of these two is known that a key is all they need. */
const presets: Record<string, Pick<UpstreamFile, 'dialect' | 'url' | 'key_env'>> = {
  openai: { dialect: 'openai', url: 'https://api.openai.com/v1', key_env: 'OPENAI_API_KEY' },
  anthropic: { dialect: 'anthropic', url: 'https://api.anthropic.com', key_env: 'ANTHROPIC_API_KEY' },
};

/** The name that stands for this machine's own model versions. */
export const localUpstream = 'local';

const upstreamFile = z.strictObject({
  dialect: z.enum(['openai', 'anthropic']).optional(),
  url: z.url().optional(),
  key_env: z
    .string()
    .regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'the name of a variable, for example OPENAI_API_KEY')
    .optional(),
  key_file: z.string().min(1).optional(),
  key: z
    .any()
    .refine(
      (value) => value === undefined,
      'a key never stands in mlx.yaml: write key_env: VARIABLE, or key_file: FILE (mode 0600)',
    )
    .optional(),
  local: z.boolean().default(false),
  rewrite: rewriteSchema,
});

type UpstreamFile = z.infer<typeof upstreamFile>;

export const upstreamsSchema = z
  .record(z.string().regex(/^[a-z0-9][a-z0-9_-]{0,31}$/, 'lower case letters, digits and dashes'), upstreamFile)
  .superRefine((upstreams, context) => {
    for (const [name, written] of Object.entries(upstreams)) {
      const problem = (key: string[], message: string): void =>
        context.addIssue({ code: 'custom', path: [name, ...key], message });
      checkUpstream(name, { ...presets[name], ...written }, problem);
    }
  });

/** `absolute` resolves a path that is relative to mlx.yaml. */
export function toUpstream(name: string, written: UpstreamFile, absolute: (path: string) => string): Upstream {
  const { dialect = 'openai', url = '', key_env, key_file, local, rewrite } = { ...presets[name], ...written };
  const file = written.key_file ?? key_file;
  const key = file !== undefined ? { file: absolute(file) } : key_env === undefined ? undefined : { variable: key_env };
  return { name, dialect, url: url.replace(/\/+$/, ''), key, local, rewrite: toRewrite(rewrite) };
}

function checkUpstream(
  name: string,
  { dialect, url, key_env, key_file, local }: UpstreamFile,
  problem: (key: string[], message: string) => void,
): void {
  if (name === localUpstream) problem([], "'local' is this machine's own models: choose another name");
  if (dialect === undefined) problem([], 'dialect is missing: openai or anthropic');
  if (url === undefined) return problem([], 'url is missing, for example https://api.together.xyz/v1');
  const { protocol, username, search } = new URL(url);
  const loopback = isLoopback(url);
  if (protocol !== 'https:' && !(protocol === 'http:' && loopback))
    problem(['url'], 'must begin with https://: what is sent there would be readable on the way');
  if (username !== '' || search !== '') problem(['url'], 'must hold no user, password or query');
  if (local && !loopback) problem(['local'], 'only an upstream on 127.0.0.1, localhost or [::1] is local');
  if (key_env !== undefined && key_file !== undefined && presets[name]?.key_env !== key_env)
    problem(['key_file'], 'key_env and key_file together: which one counts?');
}

function isLoopback(url: string): boolean {
  return /^(127\.\d+\.\d+\.\d+|localhost|\[::1\])$/.test(new URL(url).hostname);
}
