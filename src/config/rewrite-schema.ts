// mlx.yaml: `rewrite`, of an upstream or a route: what to change in a request's fields, for parameters that an upstream rejects.
import { z } from 'zod';

export type Rewrite = { drop: string[]; rename: Record<string, string>; set: Record<string, unknown> };

/** What routing itself decides; and what the person said, which is not the gateway's to change. */
const kept = new Set(['model', 'stream', 'messages', 'input', 'prompt']);

const field = z
  .string()
  .min(1)
  .refine((name) => !kept.has(name), `cannot be one of ${[...kept].join(', ')}`);

export const rewriteSchema = z
  .strictObject({
    drop: z.array(field).default([]),
    rename: z.record(field, field).default({}),
    set: z.record(field, z.unknown()).default({}),
  })
  .prefault({});

export function toRewrite({ drop, rename, set }: z.infer<typeof rewriteSchema>): Rewrite {
  return { drop, rename, set };
}
