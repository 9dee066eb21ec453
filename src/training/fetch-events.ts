// What fetch.py says on stdout (docs/trainer-contract.md), parsed line by line, and its errors in our words.
import { z } from 'zod';

import { MlxError } from '../errors.js';

const insidePath = z.string().refine((path) => !path.startsWith('/') && !path.split('/').includes('..'));

const fetchEventSchema = z.discriminatedUnion('event', [
  z.object({ event: z.literal('resolved'), commit: z.string().regex(/^[0-9a-f]{40,64}$/) }),
  z.object({ event: z.literal('progress'), file: z.string(), done_bytes: z.number(), total_bytes: z.number() }),
  z.object({
    event: z.literal('result'),
    commit: z.string().regex(/^[0-9a-f]{40,64}$/),
    files: z.array(z.object({ path: insidePath, size: z.number(), sha256: z.string() })),
  }),
  z.object({ event: z.literal('error'), code: z.string(), message: z.string() }),
]);

export type FetchEvent = z.infer<typeof fetchEventSchema>;
export type FetchResult = Extract<FetchEvent, { event: 'result' }>;

/** @returns undefined for a line that is not an event that we know */
export function parseFetchEvent(line: string): FetchEvent | undefined {
  try {
    return fetchEventSchema.safeParse(JSON.parse(line)).data;
  } catch {
    return undefined;
  }
}

type Explanation = { code: string; hint: (repository: string) => string };

const explanations: Record<string, Explanation> = {
  NOT_FOUND: {
    code: 'NOT_FOUND',
    hint: () => 'Check the spelling on the hub. A private repository answers the same: then set HF_TOKEN.',
  },
  GATED: {
    code: 'MODEL_GATED',
    hint: (repository) => `Accept its terms on https://huggingface.co/${repository}, then set HF_TOKEN and repeat.`,
  },
  OFFLINE: {
    code: 'OFFLINE',
    hint: () => 'Check the connection, HTTPS_PROXY and HF_ENDPOINT (mlx doctor tries them), then repeat: it goes on.',
  },
  UNSAFE: {
    code: 'MODEL_UNSAFE',
    hint: () => 'Choose a repository that offers safetensors and needs no code of its own.',
  },
  HASH_MISMATCH: {
    code: 'HASH_MISMATCH',
    hint: () => 'Repeat the command: what was damaged is fetched again. If it stays, a proxy changes the download.',
  },
  DISK_FULL: { code: 'DISK_FULL', hint: () => 'Free some space, or set MLX_HOME to a larger disk, then repeat.' },
};

export function fetchError(repository: string, code: string, message: string): MlxError {
  const explanation = explanations[code];
  if (explanation === undefined) {
    return new MlxError('PULL_FAILED', `${repository} could not be fetched: ${message}`, {
      hint: 'Repeat the command; what has arrived is kept.',
    });
  }
  return new MlxError(explanation.code, `${repository}: ${message}`, { hint: explanation.hint(repository) });
}
