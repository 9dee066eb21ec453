// mlx.yaml: `gateway.redaction`, what is taken out of requests before they leave the machine, and the part of it that a route
// may set for itself.
import { z } from 'zod';

import { kinds, type Kind } from '../privacy/spans.js';

export type RedactionConfig = {
  enabled: boolean;
  kinds: Kind[];
  phoneRegions: string[];
  allowMedia: boolean;
  namesUrl: string | undefined;
};

/** Unset: as `gateway.redaction` says. */
export type RouteRedaction = Partial<Pick<RedactionConfig, 'enabled' | 'kinds' | 'allowMedia'>>;

const loopbackUrl = /^(?:http:\/\/(?:127\.0\.0\.1|\[::1\]|localhost):\d{1,5}(?:\/\S*)?|unix:\/\S+)$/;

const kindList = z.array(z.enum(kinds)).min(1);

export const redactionSchema = z
  .strictObject({
    enabled: z.boolean().default(true).describe('Placeholders for identifiers in what goes to upstreams elsewhere'),
    kinds: kindList.optional().describe('Only these kinds; default: all, names where a detector is set'),
    phone_regions: z
      .array(z.string().regex(/^[A-Z]{2}$/, 'two letters a country, such as US'))
      .default(['US', 'JP'])
      .describe('Countries whose phone numbers are written without their code'),
    allow_media: z.boolean().default(false).describe('Send images, audio and files, which nobody can redact'),
    names: z
      .strictObject({
        url: z
          .string()
          .regex(loopbackUrl, 'http://127.0.0.1:PORT/PATH or unix:/SOCKET')
          .optional()
          .describe('A detector of names on this machine; requests that it cannot judge are refused'),
      })
      .prefault({}),
  })
  .refine(({ kinds: wanted, names }) => names.url !== undefined || wanted?.includes('name') !== true, {
    path: ['kinds'],
    message: 'name needs a detector: set names.url',
  });

export function toRedaction(file: z.infer<typeof redactionSchema>): RedactionConfig {
  const { enabled, phone_regions: phoneRegions, allow_media: allowMedia, names } = file;
  const all = kinds.filter((kind) => kind !== 'name' || names.url !== undefined);
  return { enabled, kinds: file.kinds ?? all, phoneRegions, allowMedia, namesUrl: names.url };
}
