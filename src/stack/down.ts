// Stops model servers and services of this project, on every engine that holds some.
import type { OnProgress } from '../engine/engine.js';
import { stackServices, type StackEngine } from './services.js';

export type DownPlan = { engine: StackEngine; servers: { id: string; name: string }[]; services: string[] }[];

export async function planDown(engines: readonly StackEngine[]): Promise<DownPlan> {
  return Promise.all(
    engines.map(async (engine) => {
      const states = await Promise.all(stackServices.map(({ name }) => engine.serviceState(name)));
      const servers = await engine.listServers();
      return {
        engine,
        servers: servers.map(({ id, model, version }) => ({ id, name: `${model}:${version} (${id})` })),
        services: states.filter(({ state }) => state !== 'absent').map(({ name }) => name),
      };
    }),
  );
}

/** With `deleteData` also the data of services that do not run. */
export async function stopStack(plan: DownPlan, deleteData: boolean, onProgress: OnProgress): Promise<string[]> {
  const stopped: string[] = [];
  for (const { engine, servers, services } of plan) {
    for (const { id, name } of servers) {
      onProgress(`stopping ${name}`);
      await engine.stopServer(id);
      stopped.push(name);
    }
    const touched = deleteData ? stackServices.map(({ name }) => name as string) : services;
    for (const name of touched) {
      if (services.includes(name)) onProgress(`stopping ${name}`);
      await engine.stopService(name, { deleteData });
      if (services.includes(name)) stopped.push(name);
    }
  }
  return stopped;
}
