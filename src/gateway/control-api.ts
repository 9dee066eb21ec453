// What a command and the running gateway say to each other over its control socket. Both ends are the same program, so the
// fields keep their names.
import { join } from 'node:path';

import { z } from 'zod';

/** As an earlier mlx calls them, whose gateway may be running, or whose command may be asking. */
export const controlPaths = { readRows: '/reload', reload: '/refresh' } as const;

/** What to type where one hangs, or runs what is not wanted any more. */
export const restartGateway = 'mlx gateway stop && mlx gateway start';

const budgetStateSchema = z.object({
  /** `key:ID`, `tenant:NAME`, `feature:NAME` or `everything`. */
  account: z.string(),
  limit: z.string(),
  unit: z.enum(['usd', 'tokens']),
  allowed: z.number(),
  used: z.number(),
  /** Promised to requests that run. */
  reserved: z.number(),
  left: z.number(),
  resetsAtMs: z.number(),
  state: z.enum(['ok', 'near', 'used_up']),
});

export type BudgetState = z.infer<typeof budgetStateSchema>;

const workerStateSchema = z.object({ pid: z.number(), openRequests: z.number() });

/** A process that answers requests; `openRequests` are those that an upstream is answering. */
export type WorkerState = z.infer<typeof workerStateSchema>;

export const gatewayStateSchema = z.object({
  pid: z.number(),
  port: z.number(),
  startedAtMs: z.number(),
  /** With gateway.workers > 1. */
  workers: z.array(workerStateSchema).default([]),
  routes: z.array(
    z.object({
      name: z.string(),
      model: z.string(),
      version: z.number(),
      digest: z.string(),
      serverId: z.string(),
      engine: z.enum(['docker', 'host']),
      address: z.string(),
      updatedAtMs: z.number(),
    }),
  ),
  /** Names whose requests wait. */
  held: z.array(z.string()).default([]),
  /** Names of which another version gets a share. */
  splits: z.array(z.object({ name: z.string(), candidate: z.string(), percent: z.number() })).default([]),
  /** Open requests by server; a server without any is not named. */
  inFlight: z.record(z.string(), z.number()),
  budgets: z.array(budgetStateSchema),
  /** By destination: a name of `upstreams`, or a model server's id. One that has no failures to remember is not named. */
  breakers: z.record(z.string(), z.enum(['closed', 'open', 'half_open'])).default({}),
  /** Model servers that are gone and started again by this gateway; null: it looks after none. */
  cares: z
    .array(z.object({ serverId: z.string(), nextAtMs: z.number().nullable() }))
    .nullable()
    .default(null),
  upstreams: z.array(z.object({ name: z.string(), problem: z.string().nullable() })).default([]),
  /** Why the mlx.yaml that lies there now is not the one in use. */
  configProblem: z
    .object({
      message: z.string(),
      problems: z.array(
        z.object({
          file: z.string(),
          line: z.number().optional(),
          path: z.string().optional(),
          message: z.string(),
        }),
      ),
    })
    .nullable()
    .default(null),
});

export type GatewayState = z.infer<typeof gatewayStateSchema>;

/** What of it stands in the ledger, and decides where requests go. */
export const gatewayRowsSchema = gatewayStateSchema.pick({ routes: true, held: true, splits: true });

export type GatewayRows = z.infer<typeof gatewayRowsSchema>;

export function controlSocket(socketFolder: string): string {
  return join(socketFolder, 'gateway.sock');
}

/** Written by the gateway while it runs: `{"owner": "pid:start:boot"}`. */
export function gatewayOwnerFile(runFolder: string): string {
  return join(runFolder, 'gateway.json');
}
