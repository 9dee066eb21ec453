// The control side of the running gateway: a unix socket that only its user can open.
import { chmodSync, mkdirSync, rmSync } from 'node:fs';
import { createServer, type Server, type ServerResponse } from 'node:http';
import { dirname } from 'node:path';

import { errorMessage } from '../errors.js';
import { controlPaths, type GatewayRows, type GatewayState } from './control-api.js';

export type Controls = {
  state: () => Promise<GatewayState>;
  /** In the text format of Prometheus: curl --unix-socket .mlx/run/gateway.sock http://localhost/metrics */
  metrics: () => Promise<string>;
  /** Reads the ledger's rows anew; requests that come after it take them. */
  readRows: () => Promise<GatewayRows>;
  /** Reads keys and mlx.yaml too. */
  reload: () => Promise<void>;
  stop: () => void;
};

/** Whoever calls this owns the gateway's port already, so a socket file that is there belongs to nobody. */
export async function serveControls(socketPath: string, controls: Controls): Promise<Server> {
  mkdirSync(dirname(socketPath), { recursive: true, mode: 0o700 });
  rmSync(socketPath, { force: true });
  const server = createServer((incoming, outgoing) => {
    // Closing: a connection that is kept open learns what a new one does. Else one that keeps asking would be answered to the end.
    if (!server.listening) return void incoming.socket.destroy();
    incoming.resume();
    void answer(`${incoming.method} ${incoming.url}`, controls, outgoing);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(socketPath, resolve);
  });
  chmodSync(socketPath, 0o600);
  return server;
}

async function answer(call: string, controls: Controls, outgoing: ServerResponse): Promise<void> {
  try {
    switch (call) {
      case 'GET /state':
        return reply(outgoing, 200, await controls.state());
      case 'GET /metrics': {
        const text = await controls.metrics();
        outgoing.writeHead(200, { 'content-type': 'text/plain; version=0.0.4; charset=utf-8', connection: 'close' });
        return void outgoing.end(text);
      }
      case `POST ${controlPaths.readRows}`:
        return reply(outgoing, 200, await controls.readRows());
      case `POST ${controlPaths.reload}`:
        await controls.reload();
        return reply(outgoing, 200, await controls.state());
      case 'POST /stop':
        reply(outgoing, 202, await controls.state());
        return controls.stop();
      default:
        return reply(outgoing, 404, { message: `No such control: ${call}` });
    }
  } catch (error) {
    reply(outgoing, 500, { message: errorMessage(error) });
  }
}

function reply(outgoing: ServerResponse, status: number, value: unknown): void {
  outgoing.writeHead(status, { 'content-type': 'application/json' });
  outgoing.end(JSON.stringify(value));
}
