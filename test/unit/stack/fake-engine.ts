// An engine that remembers what it was told to start and stop, for tests of what lies above it.
import type { Engine, EngineKind, ModelServer, ServiceState } from '../../../src/engine/engine.js';

export type FakeEngine = Pick<
  Engine,
  'kind' | 'listServers' | 'stopServer' | 'startService' | 'stopService' | 'serviceState' | 'logs'
> & {
  servers: Map<string, ModelServer>;
  services: Map<string, ServiceState>;
  deletedData: string[];
};

export function fakeEngine(kind: EngineKind = 'host'): FakeEngine {
  const servers = new Map<string, ModelServer>();
  const services = new Map<string, ServiceState>();
  const deletedData: string[] = [];
  const absent = { state: 'absent' as const, address: undefined, runtime: undefined, startedAtMs: undefined };
  return {
    kind,
    servers,
    services,
    deletedData,
    listServers: async () => [...servers.values()],
    stopServer: async (id) => void servers.delete(id),
    startService: async ({ name, port }) => {
      const present = services.get(name);
      const address = `http://127.0.0.1:${port}`;
      const state: ServiceState = present ?? { name, state: 'running', address, runtime: 'venv', startedAtMs: 1 };
      services.set(name, state);
      return state;
    },
    stopService: async (name, { deleteData }) => {
      services.delete(name);
      if (deleteData) deletedData.push(name);
    },
    serviceState: async (name) => services.get(name) ?? { name, ...absent },
    logs: async function* (name) {
      yield `first line of ${name}`;
      yield `last line of ${name}`;
    },
  };
}

export function modelServer(id: string, change: Partial<ModelServer> = {}): ModelServer {
  const digest = `sha256:${'0'.repeat(64)}`;
  const own = { id, model: 'tickets', version: 1, digest, startedAtMs: 1_000, exitStatus: null };
  return { ...own, servedName: 'tickets', state: 'running', address: 'unix:/no/such.sock', ...change };
}
