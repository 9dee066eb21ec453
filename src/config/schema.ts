// mlx.yaml: strict, every key optional, each default here and nowhere else. templates/shared/mlx.yaml is its manual.
import { z } from 'zod';

import { checkDestinations, meteringShape, type Metering } from './metering.js';
import { redactionSchema, type RedactionConfig } from './redaction-schema.js';
import { checkTargets, routesSchema, type RouteConfig } from './route-schema.js';
import { upstreamsSchema, type Upstream } from './upstream-schema.js';

const port = z.int().min(1).max(65_535);

const sections = z.strictObject({
  engine: z
    .enum(['auto', 'docker', 'host'])
    .default('auto')
    .describe('Where jobs and servers run; auto takes Docker when an Engine answers'),
  gpu: z.enum(['auto', 'off']).default('auto').describe('auto uses an NVIDIA GPU when one is there'),
  gateway: z
    .strictObject({
      port: port.default(4600).describe('127.0.0.1 port of the gateway'),
      max_in_flight: z
        .int()
        .min(1)
        .default(256)
        .describe('Requests at once; those beyond it are refused with 503 and Retry-After'),
      capture_days: z.int().positive().default(30).describe('Days that captured questions and answers are kept'),
      workers: z
        .int()
        .min(1)
        .max(64)
        .default(1)
        .describe('Processes that answer requests at the one address; read when the gateway starts'),
      ...meteringShape,
      redaction: redactionSchema.prefault({}),
    })
    .superRefine(checkDestinations)
    .prefault({}),
  upstreams: upstreamsSchema.prefault({}),
  routes: routesSchema.prefault({}),
  mlflow: z
    .strictObject({
      enabled: z.boolean().default(true).describe('Mirror runs to MLflow when it answers; a run never waits for it'),
      port: port.default(4601).describe('127.0.0.1 port of the MLflow that `mlx up` starts'),
      tracking_uri: z.url().optional().describe('Another MLflow instead of our own; MLFLOW_TRACKING_URI overrides it'),
      experiment: z.string().min(1).default('mlx').describe('Experiment that the runs go to'),
    })
    .prefault({}),
  serving: z
    .strictObject({
      ready_timeout_s: z
        .number()
        .positive()
        .default(300)
        .describe('How long a new model server may take until it answers'),
      max_slowdown: z
        .number()
        .refine((factor) => factor === 0 || factor > 1, 'must be more than 1, or 0')
        .default(5)
        .describe('How many times as long as the live version a new one may take for an answer; 0: not checked'),
      drain_timeout_s: z
        .number()
        .nonnegative()
        .default(60)
        .describe('How long the old server may finish its answers after a switch'),
      max_hold_s: z
        .number()
        .positive()
        .default(120)
        .describe(
          'How long requests wait at most where one server is stopped before the other starts (--strategy hold)',
        ),
      keep_warm_s: z
        .number()
        .nonnegative()
        .default(300)
        .describe('How long the old server stays after a switch, so that a rollback takes milliseconds; 0: not at all'),
      sleep_mode: z
        .boolean()
        .default(true)
        .describe('Whether vLLM on a GPU is started so that it can be put to sleep (--strategy sleep)'),
    })
    .prefault({}),
  docker: z
    .strictObject({
      base_image: z
        .string()
        .min(1)
        .default('python:3.11-slim-bookworm')
        .describe('Base of our images; a mirror or a digest goes here'),
      memory_gib: z
        .number()
        .positive()
        .optional()
        .describe('Memory limit of the training container; default: no limit of its own'),
      certificates: z
        .string()
        .optional()
        .describe('PEM file of extra certificate authorities for image builds and downloads'),
    })
    .prefault({}),
});

export const configSchema = sections.superRefine((file, context) =>
  checkTargets(file, (path, message) => context.addIssue({ code: 'custom', path, message })),
);

/** As written in YAML: snake_case. Code reads `Config`. */
export type ConfigFile = z.infer<typeof configSchema>;

export type Config = {
  engine: ConfigFile['engine'];
  gpu: ConfigFile['gpu'];
  gateway: {
    port: number;
    workers: number;
    maxInFlight: number;
    capturesKeptMs: number;
    metering: Metering;
    redaction: RedactionConfig;
  };
  upstreams: Upstream[];
  routes: RouteConfig[];
  mlflow: { enabled: boolean; port: number; trackingUri: string | undefined; experiment: string };
  serving: {
    readyTimeoutMs: number;
    maxSlowdown: number;
    drainTimeoutMs: number;
    keepWarmMs: number;
    maxHoldMs: number;
    sleepMode: boolean;
  };
  docker: { baseImage: string; memoryGib: number | undefined; certificates: string | undefined };
};
