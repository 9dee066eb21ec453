// The demo never takes a port from anybody: where its usual one is taken, it says so to its commands by MLX_* variables.
import { createServer } from 'node:net';

const usualPorts: Record<string, number> = { MLX_GATEWAY_PORT: 4600, MLX_MLFLOW_PORT: 4601 };

export async function freePorts(environment: NodeJS.ProcessEnv): Promise<Record<string, string>> {
  const chosen: Record<string, string> = {};
  for (const [variable, port] of Object.entries(usualPorts)) {
    if (environment[variable] === undefined && !(await isFree(port))) chosen[variable] = String(await anyFreePort());
  }
  return chosen;
}

async function isFree(port: number): Promise<boolean> {
  return (await listenOnce(port)) !== undefined;
}

async function anyFreePort(): Promise<number> {
  return (await listenOnce(0)) ?? 0;
}

function listenOnce(port: number): Promise<number | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(undefined));
    server.listen(port, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : undefined));
    });
  });
}
