// mlx.yaml: `routes`, the model names that clients use and where their requests go.
import { z } from 'zod';

import { kinds } from '../privacy/spans.js';
import type { RouteRedaction } from './redaction-schema.js';
import { rewriteSchema, toRewrite, type Rewrite } from './rewrite-schema.js';
import { localUpstream } from './upstream-schema.js';

/** `local/tickets@staging`: upstream `local`, model `tickets@staging`. */
export type Target = { upstream: string; model: string };

export type DataClass = 'private' | 'internal' | 'public';

export type PhaseTimeouts = { connectMs: number; firstByteMs: number; idleMs: number; totalMs: number };

/** What keeps a client on one side of a canary: its key, its feature, or a header of its own; `request`: nothing does. */
export type Sticky = 'key' | 'feature' | 'request' | { header: string };

export type RouteConfig = {
  name: string;
  primary: Target;
  fallback: Target[];
  canary: { target: Target; percent: number; sticky: Sticky } | undefined;
  shadow: { target: Target; percent: number } | undefined;
  dataClass: DataClass;
  timeouts: PhaseTimeouts;
  retries: number;
  rewrite: Rewrite;
  /** A prompt of prompts/, put before what the client asks. */
  prompt: string | undefined;
  redaction: RouteRedaction;
  /** Of the requests: what was asked and answered is kept, redacted. */
  capturePercent: number;
};

const target = z
  .string()
  .regex(/^[a-z0-9][a-z0-9_-]*\/\S+$/, 'UPSTREAM/MODEL, for example local/tickets@production or openai/gpt-5-mini');
const percent = z.number().min(0).max(100);
const seconds = z.number().positive().max(86_400);

const routeFile = z.strictObject({
  primary: target,
  fallback: z.array(target).default([]),
  canary: z
    .strictObject({
      target,
      percent,
      sticky: z
        .string()
        .regex(/^(key|feature|request|header [A-Za-z0-9-]+)$/, 'key, feature, request, or header NAME')
        .default('key'),
    })
    .optional(),
  shadow: z.strictObject({ target, percent: percent.default(100) }).optional(),
  data_class: z.enum(['private', 'internal', 'public']).default('internal'),
  timeouts: z
    .strictObject({
      connect_s: seconds.default(3),
      first_byte_s: seconds.default(600),
      idle_s: seconds.default(120),
      total_s: seconds.default(3600),
    })
    .prefault({}),
  retries: z.int().min(0).max(5).default(1),
  rewrite: rewriteSchema,
  prompt: z.string().min(1).optional(),
  redaction: z
    .strictObject({
      enabled: z.boolean().optional(),
      kinds: z.array(z.enum(kinds)).min(1).optional(),
      allow_media: z.boolean().optional(),
    })
    .prefault({}),
  capture: z.strictObject({ percent: percent.default(100) }).optional(),
});

type RouteFile = z.infer<typeof routeFile>;

export const routesSchema = z.record(
  z.string().regex(/^[A-Za-z0-9][\w.:@/-]{0,127}$/, 'letters, digits and . _ : @ / -'),
  routeFile,
);

/** What the parts of one file say about each other: targets name upstreams that there are, private ones stay here. */
export function checkTargets(
  file: { upstreams: Record<string, { local: boolean }>; routes: Record<string, RouteFile> },
  problem: (path: (string | number)[], message: string) => void,
): void {
  for (const [name, route] of Object.entries(file.routes)) {
    for (const [path, written] of writtenTargets(route)) {
      const { upstream } = parseTarget(written);
      const at = ['routes', name, ...path];
      const known = upstream === localUpstream ? { local: true } : file.upstreams[upstream];
      if (!known) problem(at, `there is no upstream '${upstream}' under upstreams: ${namesOf(file.upstreams)}`);
      else if (route.data_class === 'private' && !known.local)
        problem(at, `data_class is private: '${written}' is not on this machine`);
    }
  }
}

export function parseTarget(text: string): Target {
  const slash = text.indexOf('/');
  const [upstream, model] = [text.slice(0, slash), text.slice(slash + 1)];
  // `production` is what a model's own name means.
  return upstream === localUpstream ? { upstream, model: model.replace(/@production$/, '') } : { upstream, model };
}

export function toRouteConfig(name: string, file: RouteFile): RouteConfig {
  const { canary, shadow, timeouts } = file;
  return {
    name,
    primary: parseTarget(file.primary),
    fallback: file.fallback.map(parseTarget),
    canary: canary && { ...canary, target: parseTarget(canary.target), sticky: toSticky(canary.sticky) },
    shadow: shadow && { ...shadow, target: parseTarget(shadow.target) },
    dataClass: file.data_class,
    timeouts: {
      connectMs: timeouts.connect_s * 1000,
      firstByteMs: timeouts.first_byte_s * 1000,
      idleMs: timeouts.idle_s * 1000,
      totalMs: timeouts.total_s * 1000,
    },
    retries: file.retries,
    rewrite: toRewrite(file.rewrite),
    prompt: file.prompt,
    redaction: toRouteRedaction(file.redaction),
    capturePercent: file.capture?.percent ?? 0,
  };
}

function toRouteRedaction({ enabled, kinds: wanted, allow_media: allowMedia }: RouteFile['redaction']): RouteRedaction {
  return {
    ...(enabled === undefined ? {} : { enabled }),
    ...(wanted === undefined ? {} : { kinds: wanted }),
    ...(allowMedia === undefined ? {} : { allowMedia }),
  };
}

/** The route that every promoted model has without a line of configuration. */
export function ownRoute(name: string): RouteConfig {
  return toRouteConfig(name, routeFile.parse({ primary: `${localUpstream}/${name}`, data_class: 'private' }));
}

function writtenTargets(route: RouteFile): [(string | number)[], string][] {
  return [
    [['primary'], route.primary],
    ...route.fallback.map((written, index): [(string | number)[], string] => [['fallback', index], written]),
    ...(route.canary ? ([[['canary', 'target'], route.canary.target]] satisfies [string[], string][]) : []),
    ...(route.shadow ? ([[['shadow', 'target'], route.shadow.target]] satisfies [string[], string][]) : []),
  ];
}

function toSticky(text: string): Sticky {
  return text === 'key' || text === 'feature' || text === 'request'
    ? text
    : { header: text.slice('header '.length).toLowerCase() };
}

function namesOf(upstreams: object): string {
  return ['local', ...Object.keys(upstreams)].join(', ');
}
