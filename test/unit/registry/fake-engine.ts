// An engine that holds state: images by tag, and model servers that are real HTTP servers on unix sockets.
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { join } from 'node:path';

import type {
  Engine,
  MemoryUse,
  ModelServer,
  ServerSpec,
  VersionContents,
  VersionImage,
} from '../../../src/engine/engine.js';
import { MlxError } from '../../../src/errors.js';

/** How the next servers behave. */
export type Behaviour =
  | 'good'
  | 'exits'
  | 'never_healthy'
  | 'wrong_name'
  | 'broken_answers'
  | 'cannot_start'
  | 'dies_of_answers'
  | 'wrong_digest'
  | 'out_of_memory'
  /** Asks for sleep are answered; `wakes_wrong` answers badly once it has slept. */
  | 'sleeps'
  | 'wakes_wrong';

export type FakeEngine = Engine & {
  behaviour: Behaviour;
  /** `tickets:v1` -> digest. */
  tags: Map<string, string>;
  images: Map<string, VersionContents>;
  servers: Map<string, RunningServer>;
  /** Every server that was ever started. */
  started: ServerSpec[];
  /** Set to make moving this tag fail. */
  failingTag: string | undefined;
  /** Streams that the servers hold open until the test ends them. */
  openStreams: ServerResponse[];
  /** Why a running server takes no other version's adapter. */
  obstacle: string | null;
  memory: MemoryUse | null;
  /** Servers that come up again by themselves, as far as anybody said. */
  restarts: Map<string, boolean>;
  close: () => Promise<void>;
};

/** One process: what it serves, by the name that it answers to. */
type Carrier = { http: Server; names: Map<string, ServerSpec> };

type RunningServer = { state: ModelServer; runsIn: Carrier };

/** As vLLM's: it answers for itself meanwhile, and questions wait. */
type Sleep = { asleep: boolean; slept: boolean; waiting: (() => void)[] };

export function fakeEngine(folder: string): FakeEngine {
  const engine = {
    kind: 'host',
    description: 'a test',
    behaviour: 'good',
    tags: new Map(),
    images: new Map(),
    servers: new Map(),
    started: [],
    failingTag: undefined,
    openStreams: [],
    obstacle: 'the servers of this test take no other adapter',
    memory: null,
    restarts: new Map(),
    ...unusedParts,
  } as unknown as FakeEngine;
  return Object.assign(engine, imageParts(engine), serverParts(engine, folder), {
    close: async () => {
      for (const id of engine.servers.keys()) await engine.stopServer(id);
    },
  });
}

function imageParts(engine: FakeEngine): Partial<Engine> {
  const find = (model: string, reference: string): VersionImage | undefined => {
    const digest = reference.startsWith('sha256:') ? reference : engine.tags.get(`${model}:${reference}`);
    const contents = digest === undefined ? undefined : engine.images.get(digest);
    if (digest === undefined || !contents) return undefined;
    const tags = [...engine.tags].filter(([, tagged]) => tagged === digest).map(([tag]) => tag);
    return { digest, tags, labels: contents.labels, sizeBytes: 1 };
  };
  return {
    packageVersion: async (contents) => {
      const digest = digestOf(contents);
      const tag = `${contents.model}:v${contents.version}`;
      if ((engine.tags.get(tag) ?? digest) !== digest) throw new MlxError('VERSION_EXISTS', `${tag} exists`);
      engine.images.set(digest, contents);
      engine.tags.set(tag, digest);
      return { digest, tags: [tag], labels: contents.labels, sizeBytes: 1 };
    },
    tagVersion: async (model, digest, tag) => {
      if (engine.failingTag === tag) throw new MlxError('DISK_FULL', 'no room for a tag');
      engine.tags.set(`${model}:${tag}`, digest);
    },
    untagVersion: async (model, tag) => void engine.tags.delete(`${model}:${tag}`),
    findVersion: async (model, reference) => find(model, reference),
  };
}

function digestOf(contents: VersionContents): string {
  const files = contents.files.map(({ path, source }) => [path, readFileSync(source, 'utf8')]);
  const identity = JSON.stringify([contents.model, contents.version, contents.labels, files]);
  return `sha256:${createHash('sha256').update(identity).digest('hex')}`;
}

function serverParts(engine: FakeEngine, folder: string): Partial<Engine> {
  return {
    startServer: async (spec) => {
      engine.started.push(spec);
      if (engine.behaviour === 'cannot_start') throw new MlxError('PROGRAM_MISSING', 'no interpreter');
      return spec.into === undefined ? startProcess(engine, folder, spec) : loadInto(engine, spec, spec.into);
    },
    stopServer: async (id) => {
      const server = engine.servers.get(id);
      engine.servers.delete(id);
      if (!server) return;
      const { http, names } = server.runsIn;
      names.delete(server.state.servedName);
      if (names.size > 0) return;
      http.closeAllConnections();
      if (http.listening) await new Promise((resolve) => http.close(resolve));
    },
    setRestart: async (id, restarts) => void engine.restarts.set(id, restarts),
    swapObstacle: async () => engine.obstacle,
    measureServer: async () => engine.memory,
    listServers: async () => [...engine.servers.values()].map(({ state }) => state),
    logs: async function* (name) {
      yield `line of ${name}`;
    },
  };
}

async function startProcess(engine: FakeEngine, folder: string, spec: ServerSpec): Promise<ModelServer> {
  const { id, model, version } = spec;
  const digest = engine.behaviour === 'wrong_digest' ? `sha256:${'0'.repeat(64)}` : spec.digest;
  const socket = join(folder, `${id}.sock`);
  const names = new Map([[model, spec]]);
  const http = modelServer(engine, names, engine.behaviour);
  const exits = engine.behaviour === 'exits' || engine.behaviour === 'out_of_memory';
  if (!exits) await once(http.listen(socket), 'listening');
  const exitStatus = exits ? (engine.behaviour === 'exits' ? 3 : 137) : null;
  const state = exits ? ('exited' as const) : ('running' as const);
  const server = { id, model, version, digest, state, address: `unix:${socket}`, startedAtMs: 1, exitStatus };
  engine.servers.set(id, { state: { ...server, servedName: model }, runsIn: { http, names } });
  return { ...server, servedName: model };
}

/** As vLLM does it: `wrong_name` was not taken after all. */
function loadInto(engine: FakeEngine, spec: ServerSpec, into: string): ModelServer {
  const carrier = engine.servers.get(into) ?? findByCarrier(engine, into);
  const { id, model, version, digest } = spec;
  if (!carrier) throw new MlxError('SERVER_GONE', `${into} is gone`);
  if (engine.behaviour === 'broken_answers') throw new MlxError('ADAPTER_REFUSED', 'wrong shapes');
  if (engine.behaviour !== 'wrong_name') carrier.runsIn.names.set(id, spec);
  const own = carrier.state.carrier ?? { id: into, version: carrier.state.version };
  const state = { ...carrier.state, id, model, version, digest, servedName: id, carrier: own };
  engine.servers.set(id, { state, runsIn: carrier.runsIn });
  return state;
}

function findByCarrier(engine: FakeEngine, id: string): RunningServer | undefined {
  return [...engine.servers.values()].find(({ state }) => state.carrier?.id === id);
}

function modelServer(engine: FakeEngine, served: ReadonlyMap<string, ServerSpec>, behaviour: Behaviour): Server {
  let answered = 0;
  const sleep: Sleep = { asleep: false, slept: false, waiting: [] };
  return createServer((incoming, outgoing) => {
    const chunks: Buffer[] = [];
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
    incoming.on('end', () => {
      if (incoming.url === '/v1/chat/completions') answered += 1;
      const ill = behaviour === 'never_healthy' || (behaviour === 'dies_of_answers' && answered > 0);
      const names = behaviour === 'wrong_name' ? ['another'] : [...served.keys()];
      if (incoming.url === '/health') return json(outgoing, ill ? 503 : 200, {});
      if (incoming.url === '/v1/models') return json(outgoing, 200, { data: names.map((id) => ({ id })) });
      const { url = '' } = incoming;
      if (['/is_sleeping', '/sleep?level=1', '/wake_up'].includes(url))
        return answerSleep(outgoing, behaviour, sleep, url);
      if (behaviour === 'wakes_wrong' && sleep.slept && !sleep.asleep) return json(outgoing, 500, {});
      if (behaviour === 'broken_answers') return json(outgoing, 500, { error: 'out of order' });
      const { model } = JSON.parse(Buffer.concat(chunks).toString()) as { model: string };
      const spec = served.get(model);
      if (!spec) return json(outgoing, 404, { error: { message: `no model ${model}`, type: 'NotFoundError' } });
      const answer = () =>
        isStream(incoming) ? holdStream(engine, outgoing) : json(outgoing, 200, answerOf(spec, model));
      if (sleep.asleep) sleep.waiting.push(answer);
      else answer();
    });
  });
}

function answerSleep(outgoing: ServerResponse, behaviour: Behaviour, sleep: Sleep, url: string): void {
  if (behaviour !== 'sleeps' && behaviour !== 'wakes_wrong') return json(outgoing, 404, {});
  if (url !== '/is_sleeping') sleep.asleep = url !== '/wake_up';
  sleep.slept ||= sleep.asleep;
  if (!sleep.asleep) for (const answer of sleep.waiting.splice(0)) answer();
  json(outgoing, 200, { is_sleeping: sleep.asleep });
}

/** What asks for a stream says so in its Accept header here: the body is not needed. */
function isStream(incoming: IncomingMessage): boolean {
  return incoming.headers.accept === 'text/event-stream';
}

function holdStream(engine: FakeEngine, outgoing: ServerResponse): void {
  outgoing.writeHead(200, { 'content-type': 'text/event-stream' });
  outgoing.write('data: {"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":null}]}\n\n');
  engine.openStreams.push(outgoing);
}

function answerOf(spec: ServerSpec, model: string) {
  return {
    model,
    choices: [{ message: { role: 'assistant', content: `version ${spec.version}` }, finish_reason: 'stop' }],
  };
}

function json(outgoing: ServerResponse, status: number, value: unknown): void {
  outgoing.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
}

function unused(): never {
  throw new Error('not part of this test');
}

const unusedParts: Partial<Engine> = {
  prepareRuntime: unused,
  describeRuntime: unused,
  oldRuntimes: unused,
  removeRuntime: unused,
  runJob: unused,
  stopJob: unused,
  startService: unused,
  stopService: unused,
  serviceState: unused,
};
