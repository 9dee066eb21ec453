// What a command and the running gateway say to each other over its control socket. Both ends are the same program, so the
// fields keep their names.
import { join } from 'node:path';

import { z } from 'zod';

export const gatewayStateSchema = z.object({
  pid: z.number(),
  port: z.number(),
  startedAtMs: z.number(),
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
  /** Open requests by server; a server without any is not named. */
  inFlight: z.record(z.string(), z.number()),
});

export type GatewayState = z.infer<typeof gatewayStateSchema>;

export function controlSocket(socketFolder: string): string {
  return join(socketFolder, 'gateway.sock');
}

/** Written by the gateway while it runs: `{"owner": "pid:start:boot"}`. */
export function gatewayOwnerFile(runFolder: string): string {
  return join(runFolder, 'gateway.json');
}
