// An engine that holds state: images by tag, and model servers that are real HTTP servers on unix sockets.
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { join } from 'node:path';

import type { Engine, ModelServer, ServerSpec, VersionContents, VersionImage } from '../../../src/engine/engine.js';
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
  | 'out_of_memory';

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
  close: () => Promise<void>;
};

type RunningServer = { state: ModelServer; http: Server };

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
      const { id, model, version } = spec;
      const digest = engine.behaviour === 'wrong_digest' ? `sha256:${'0'.repeat(64)}` : spec.digest;
      const socket = join(folder, `${id}.sock`);
      const http = modelServer(engine, spec, engine.behaviour);
      const exits = engine.behaviour === 'exits' || engine.behaviour === 'out_of_memory';
      if (!exits) await once(http.listen(socket), 'listening');
      const exitStatus = exits ? (engine.behaviour === 'exits' ? 3 : 137) : null;
      const state = exits ? ('exited' as const) : ('running' as const);
      const server = { id, model, version, digest, state, address: `unix:${socket}`, startedAtMs: 1, exitStatus };
      engine.servers.set(id, { state: server, http });
      return server;
    },
    stopServer: async (id) => {
      const server = engine.servers.get(id);
      engine.servers.delete(id);
      server?.http.closeAllConnections();
      if (server?.http.listening) await new Promise((resolve) => server.http.close(resolve));
    },
    listServers: async () => [...engine.servers.values()].map(({ state }) => state),
    logs: async function* (name) {
      yield `line of ${name}`;
    },
  };
}

function modelServer(engine: FakeEngine, spec: ServerSpec, behaviour: Behaviour): Server {
  const name = behaviour === 'wrong_name' ? 'another' : spec.model;
  let answered = 0;
  return createServer((incoming, outgoing) => {
    incoming.resume();
    if (incoming.url === '/v1/chat/completions') answered += 1;
    const ill = behaviour === 'never_healthy' || (behaviour === 'dies_of_answers' && answered > 0);
    if (incoming.url === '/health') return json(outgoing, ill ? 503 : 200, {});
    if (incoming.url === '/v1/models') return json(outgoing, 200, { data: [{ id: name }] });
    if (behaviour === 'broken_answers') return json(outgoing, 500, { error: 'out of order' });
    return isStream(incoming) ? holdStream(engine, outgoing) : json(outgoing, 200, answerOf(spec));
  });
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

function answerOf(spec: ServerSpec) {
  return { choices: [{ message: { role: 'assistant', content: `version ${spec.version}` }, finish_reason: 'stop' }] };
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
