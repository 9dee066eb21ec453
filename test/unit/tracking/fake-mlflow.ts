// A stand-in for MLflow that holds state and is as strict as the real one: limits, immutable params, known runs only.
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

import { onTestFinished } from 'vitest';

export type FakeRun = {
  experimentId: string;
  name: string;
  status: string;
  endTime: number | undefined;
  params: Map<string, string>;
  tags: Map<string, string>;
  metrics: { key: string; value: number; step: number; timestamp: number }[];
  datasets: { name: string; digest: string; context: string }[];
};

export type FakeMlflow = {
  uri: string;
  experiments: Map<string, string>;
  runs: Map<string, FakeRun>;
  artifacts: Map<string, string>;
  /** Paths in the order of the calls. */
  calls: string[];
  authorizations: Set<string | undefined>;
  /** From now on every call is answered with this status. */
  failWith: (status: number) => void;
  /** Where runs that are created or asked for from now on say that their artifacts are. */
  keepArtifactsIn: (root: string) => void;
};

type State = Omit<FakeMlflow, 'uri' | 'failWith' | 'keepArtifactsIn'> & {
  failure: number | undefined;
  artifactRoot: string;
};

// The parts of a body that the real server reads; anything else in it would be refused there too.
type Body = {
  name: string;
  experiment_id: string;
  run_id: string;
  run_name: string;
  status: string;
  /** Of the one form that mlx asks: tags.`KEY` = 'VALUE'. */
  filter: string;
  end_time?: number;
  key: string;
  value: string;
  tags?: { key: string; value: string }[];
  params?: { key: string; value: string }[];
  metrics?: FakeRun['metrics'];
  datasets?: { dataset: { name: string; digest: string }; tags: { key: string; value: string }[] }[];
};

export async function startFakeMlflow(): Promise<FakeMlflow> {
  const state: State = {
    experiments: new Map(),
    runs: new Map(),
    artifacts: new Map(),
    calls: [],
    authorizations: new Set(),
    failure: undefined,
    artifactRoot: 'mlflow-artifacts:',
  };
  const server = createServer((request, response) => {
    void answer(state, request).then((reply) => {
      response.writeHead(reply.status, { 'content-type': 'application/json' }).end(JSON.stringify(reply.body));
    });
  });
  await listen(server);
  const { port } = server.address() as AddressInfo;
  return {
    ...state,
    uri: `http://127.0.0.1:${port}`,
    failWith: (status) => void (state.failure = status),
    keepArtifactsIn: (root) => void (state.artifactRoot = root),
  };
}

async function listen(server: Server): Promise<void> {
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
}

type Reply = { status: number; body: unknown };

async function answer(state: State, request: IncomingMessage): Promise<Reply> {
  const url = new URL(request.url ?? '/', 'http://fake');
  state.calls.push(`${request.method ?? ''} ${url.pathname}`);
  state.authorizations.add(request.headers.authorization);
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const text = Buffer.concat(chunks).toString('utf8');
  if (state.failure !== undefined)
    return { status: state.failure, body: { error_code: 'INTERNAL_ERROR', message: 'broken' } };
  const artifact = /^\/api\/2\.0\/mlflow-artifacts\/artifacts\/(?<path>.+)$/.exec(url.pathname)?.groups?.['path'];
  if (artifact !== undefined) {
    state.artifacts.set(decodeURIComponent(artifact), text);
    return ok({});
  }
  if (text.length > 1_000_000) return refused('INVALID_PARAMETER_VALUE', 'body above 1 MB');
  return call(state, url, text === '' ? ({} as Body) : (JSON.parse(text) as Body));
}

function call(state: State, url: URL, body: Body): Reply {
  switch (url.pathname.replace('/api/2.0/mlflow/', '')) {
    case 'experiments/get-by-name': {
      const id = state.experiments.get(url.searchParams.get('experiment_name') ?? '');
      return id === undefined ? missing('experiment') : ok({ experiment: { experiment_id: id } });
    }
    case 'experiments/create':
      if (state.experiments.has(body.name)) return refused('RESOURCE_ALREADY_EXISTS', body.name);
      state.experiments.set(body.name, String(state.experiments.size + 1));
      return ok({ experiment_id: String(state.experiments.size) });
    case 'runs/create':
      return createRun(state, body);
    case 'runs/search':
      return ok({ runs: searchRuns(state, body) });
    default:
      return runCall(state, url, body);
  }
}

function createRun(state: State, body: Body): Reply {
  if (![...state.experiments.values()].includes(body.experiment_id)) return missing('experiment');
  const id = `run${state.runs.size + 1}`;
  state.runs.set(id, {
    experimentId: body.experiment_id,
    name: body.run_name,
    status: 'RUNNING',
    endTime: undefined,
    params: new Map(),
    tags: new Map((body.tags ?? []).map(({ key, value }) => [key, value])),
    metrics: [],
    datasets: [],
  });
  return ok({ run: describeRun(state, id) });
}

function searchRuns(state: State, { filter }: Body): unknown[] {
  const { key = '', value = '' } = /^tags\.`(?<key>[^`]+)` = '(?<value>[^']+)'$/.exec(filter)?.groups ?? {};
  const found = [...state.runs].filter(([, run]) => run.tags.get(key) === value);
  return found.map(([id]) => describeRun(state, id));
}

function runCall(state: State, url: URL, body: Body): Reply {
  const id = url.searchParams.get('run_id') ?? body.run_id;
  const run = state.runs.get(id);
  if (!run) return missing(`run ${id}`);
  switch (url.pathname.replace('/api/2.0/mlflow/', '')) {
    case 'runs/get':
      return ok({ run: describeRun(state, id) });
    case 'runs/update':
      run.status = body.status;
      run.endTime = body.end_time;
      return ok({});
    case 'runs/set-tag':
      run.tags.set(body.key, body.value);
      return ok({});
    case 'runs/log-batch':
      return logBatch(run, body);
    case 'runs/log-inputs':
      for (const { dataset, tags } of body.datasets ?? []) {
        if (dataset.digest.length > 36) return refused('INVALID_PARAMETER_VALUE', 'digest above 36 characters');
        if (run.datasets.some(({ name, digest }) => name === dataset.name && digest === dataset.digest)) continue;
        run.datasets.push({ name: dataset.name, digest: dataset.digest, context: tags[0]?.value ?? '' });
      }
      return ok({});
    default:
      return missing(url.pathname);
  }
}

function logBatch(run: FakeRun, { metrics = [], params = [], tags = [] }: Body): Reply {
  if (metrics.length > 1000 || params.length > 100 || tags.length > 100)
    return refused('INVALID_PARAMETER_VALUE', 'batch too large');
  for (const { key, value } of params) {
    const before = run.params.get(key);
    if (before !== undefined && before !== value)
      return refused('INVALID_PARAMETER_VALUE', `param ${key} cannot change`);
    run.params.set(key, value);
  }
  // One row for the same key, step, time and value, as the primary key of the real store has it.
  const same = (one: FakeRun['metrics'][number]) => [one.key, one.step, one.timestamp, one.value].join();
  const known = new Set(run.metrics.map(same));
  run.metrics.push(...metrics.filter((metric) => !known.has(same(metric))));
  for (const { key, value } of tags) run.tags.set(key, value);
  return ok({});
}

function describeRun(state: State, id: string): unknown {
  const experiment = state.runs.get(id)?.experimentId ?? '0';
  return { info: { run_id: id, artifact_uri: `${state.artifactRoot}/${experiment}/${id}/artifacts` } };
}

function ok(body: unknown): Reply {
  return { status: 200, body };
}

function missing(what: string): Reply {
  return { status: 404, body: { error_code: 'RESOURCE_DOES_NOT_EXIST', message: `no ${what}` } };
}

function refused(code: string, message: string): Reply {
  return { status: 400, body: { error_code: code, message } };
}
