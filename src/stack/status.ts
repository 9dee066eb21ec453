// What of this project runs, and how it is: from owners, labels and answers, never from what was once written down.
import type { ModelServer, ServiceState } from '../engine/engine.js';
import { answersHealth } from '../engine/health.js';
import { stackServices, type StackEngine } from './services.js';

/** One thing that runs, or should. */
export type Part = {
  name: string;
  kind: 'service' | 'server' | 'gateway';
  engine: 'docker' | 'host';
  state: 'running' | 'starting' | 'unhealthy' | 'exited';
  address: string | undefined;
  /** Image id, venv, or digest of the model version. */
  runtime: string | undefined;
  startedAtMs: number | undefined;
  /** Of a part that is not well. */
  lastLines: string[];
  fix: string | undefined;
  /** Of a model server that is down, and that the running gateway starts again by itself. */
  restart?: { state: 'looking' | 'waiting' | 'starting'; nextAtMs: number | null };
};

/** Of a part that nobody runs at the moment. */
export const nobody = { address: undefined, runtime: undefined, startedAtMs: undefined };

export type StatusEdges = { engines: readonly StackEngine[]; readyTimeoutMs: number; now: () => Date };

const shownLines = 8;

export async function stackParts(edges: StatusEdges): Promise<Part[]> {
  const perEngine = await Promise.all(
    edges.engines.map(async (engine) => {
      const [services, servers] = await Promise.all([
        Promise.all(stackServices.map(({ name }) => engine.serviceState(name))),
        engine.listServers(),
      ]);
      const present = services.filter(({ state }) => state !== 'absent').map((service) => servicePart(engine, service));
      const judged = servers.map(async (server) => serverPart(engine, server, await judgeServer(server, edges)));
      return Promise.all([...present, ...(await Promise.all(judged))].map((part) => withLastLines(engine, part)));
    }),
  );
  return perEngine.flat();
}

/** A process that lives but does not answer is loading its model, until it has had the time for that. */
export function serverState(
  state: ModelServer['state'],
  answers: boolean,
  ageMs: number,
  readyTimeoutMs: number,
): Part['state'] {
  if (state === 'exited') return 'exited';
  if (answers) return 'running';
  return ageMs < readyTimeoutMs ? 'starting' : 'unhealthy';
}

async function judgeServer(server: ModelServer, edges: StatusEdges): Promise<Part['state']> {
  const answers = server.state !== 'exited' && (await answersHealth(server.address));
  return serverState(server.state, answers, edges.now().getTime() - server.startedAtMs, edges.readyTimeoutMs);
}

function servicePart(engine: StackEngine, service: ServiceState): Part {
  const { name, address, runtime, startedAtMs, state } = service;
  const fix = `mlx logs ${name}; then mlx down && mlx up`;
  const shown = state === 'absent' ? 'exited' : state;
  return { ...emptyPart, name, kind: 'service', engine: engine.kind, state: shown, address, runtime, startedAtMs, fix };
}

function serverPart(engine: StackEngine, server: ModelServer, state: Part['state']): Part {
  const { id, model, version, digest, address, startedAtMs } = server;
  const fix = `mlx logs ${id}; then mlx serve ${model}:${version}`;
  return {
    ...emptyPart,
    name: id,
    kind: 'server',
    engine: engine.kind,
    state,
    address,
    runtime: digest,
    startedAtMs,
    fix,
  };
}

const emptyPart = { lastLines: [] };

async function withLastLines(engine: StackEngine, part: Part): Promise<Part> {
  if (part.state === 'running' || part.state === 'starting') return { ...part, fix: undefined };
  const lastLines: string[] = [];
  const options = { follow: false, lines: shownLines, signal: new AbortController().signal };
  for await (const line of engine.logs(part.name, options)) lastLines.push(line);
  return { ...part, lastLines };
}
