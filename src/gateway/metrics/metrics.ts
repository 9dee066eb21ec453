// The gateway's metrics. Names are those of OpenTelemetry's GenAI conventions as Prometheus writes them, where there are any:
// https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-metrics/ (buckets too); what is only ours begins with mlx_gateway_.
import type { TrafficRow } from '../../ledger/traffic.js';
import type { BudgetState } from '../control-api.js';
import { gaugeLines, openCounter, openHistogram } from './series.js';

export type Metrics = {
  observe: (row: TrafficRow) => void;
  /** In the text format of Prometheus. */
  text: (moment: Moment) => string;
};

/** What is known only at the moment of asking. */
export type Moment = {
  budgets: readonly BudgetState[];
  inFlight: Readonly<Record<string, number>>;
  rowsDropped: number;
  capturesLost: number;
};

const durationBoundsS = [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92];
const tokenBounds = [1, 4, 16, 64, 256, 1024, 4096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304];
const genAi = ['gen_ai_operation_name', 'gen_ai_provider_name', 'gen_ai_request_model', 'mlx_route'] as const;
const who = ['mlx_route', 'mlx_tenant', 'mlx_feature'] as const;

/** A request touches six series; which ones is remembered for so many kinds of requests. A client may choose its features. */
const observersAtMost = 2_000;

export function openMetrics(): Metrics {
  const metrics = openRequestMetrics();
  const observers = new Map<string, Metrics['observe']>();
  return {
    observe: (row) => {
      const name = nameOf(row);
      const known = observers.get(name);
      if (known) return known(row);
      if (observers.size >= observersAtMost) observers.clear();
      const observe = observerOf(row, metrics);
      observers.set(name, observe);
      observe(row);
    },
    text: (moment) => {
      const lines = Object.values(metrics).flatMap((metric) => metric.lines());
      return `${[...lines, ...momentLines(moment)].join('\n')}\n`;
    },
  };
}

function openRequestMetrics() {
  const duration = openHistogram(
    {
      name: 'gen_ai_client_operation_duration_seconds',
      help: 'From the request to the end of its answer.',
      labels: [...genAi, 'error_type'],
    },
    durationBoundsS,
  );
  const firstChunk = openHistogram(
    {
      name: 'gen_ai_client_operation_time_to_first_chunk_seconds',
      help: 'From the request to the first bytes of its answer.',
      labels: genAi,
    },
    durationBoundsS,
  );
  const tokens = openHistogram(
    { name: 'gen_ai_client_token_usage', help: 'Tokens of a request.', labels: [...genAi, 'gen_ai_token_type'] },
    tokenBounds,
  );
  const requests = openCounter({ name: 'mlx_gateway_requests_total', help: 'Requests.', labels: [...who, 'status'] });
  const cost = openCounter({ name: 'mlx_gateway_cost_usd_total', help: 'What requests cost.', labels: who });
  return { duration, firstChunk, tokens, requests, cost };
}

/** For every request with the labels of this one. */
function observerOf(row: TrafficRow, metrics: ReturnType<typeof openRequestMetrics>): Metrics['observe'] {
  const { duration, firstChunk, tokens, requests, cost } = metrics;
  const labels = [row.operation, row.upstream ?? '', row.model ?? '', row.route ?? ''];
  const whose = [row.route ?? '', row.tenant ?? '', row.feature ?? ''];
  const took = duration.seriesOf([...labels, row.errorClass ?? '']);
  const began = once(() => firstChunk.seriesOf(labels));
  const asked = once(() => tokens.seriesOf([...labels, 'input']));
  const answered = once(() => tokens.seriesOf([...labels, 'output']));
  const ended = requests.seriesOf([...whose, String(row.status)]);
  const paid = once(() => cost.seriesOf(whose));
  return ({ durationMs, firstTokenMs, inputTokens, outputTokens, costUsd }) => {
    took(durationMs / 1000);
    if (firstTokenMs !== null) began()(firstTokenMs / 1000);
    if (inputTokens !== null) asked()(inputTokens);
    if (outputTokens !== null) answered()(outputTokens);
    ended(1);
    if (costUsd !== null) paid()(costUsd);
  };
}

/** Of the labels that any of its series has. */
function nameOf({ operation, upstream, route, errorClass, tenant, feature, status, model }: TrafficRow): string {
  const who = `${upstream ?? ''}\u0000${route ?? ''}\u0000${tenant ?? ''}\u0000${feature ?? ''}`;
  return `${operation}\u0000${status}\u0000${errorClass ?? ''}\u0000${who}\u0000${model ?? ''}`;
}

function once<Value>(make: () => Value): () => Value {
  let made: Value | undefined;
  return () => (made ??= make());
}

function momentLines({ budgets, inFlight, rowsDropped, capturesLost }: Moment): string[] {
  const share = {
    name: 'mlx_gateway_budget_used_ratio',
    help: 'Used part of a budget.',
    labels: ['mlx_account', 'mlx_limit'],
  };
  const open = {
    name: 'mlx_gateway_requests_open',
    help: 'Requests that an upstream is answering.',
    labels: ['mlx_server'],
  };
  const lost = { name: 'mlx_gateway_traffic_rows_lost', help: 'Rows of the traffic log that had no room.', labels: [] };
  const uncaptured = {
    name: 'mlx_gateway_captures_lost',
    help: 'Answers of routes that capture that could not be redacted or written.',
    labels: [],
  };
  return [
    ...gaugeLines(
      share,
      budgets.map(({ account, limit, used, allowed }) => [[account, limit], allowed === 0 ? 1 : used / allowed]),
    ),
    ...gaugeLines(
      open,
      Object.entries(inFlight).map(([server, count]) => [[server], count]),
    ),
    ...gaugeLines(lost, [[[], rowsDropped]]),
    ...gaugeLines(uncaptured, [[[], capturesLost]]),
  ];
}
