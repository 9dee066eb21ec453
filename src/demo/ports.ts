// The demo never takes a port from anybody: where its usual one is taken, it says so to its commands by MLX_* variables.
import { freePort, isPortFree } from '../engine/port.js';

const usualPorts: Record<string, number> = { MLX_GATEWAY_PORT: 4600, MLX_MLFLOW_PORT: 4601 };

export async function freePorts(environment: NodeJS.ProcessEnv): Promise<Record<string, string>> {
  const chosen: Record<string, string> = {};
  for (const [variable, port] of Object.entries(usualPorts)) {
    if (environment[variable] === undefined && !(await isPortFree(port))) chosen[variable] = String(await freePort());
  }
  return chosen;
}
