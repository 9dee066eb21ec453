// Everything that counts and limits, put together for the running gateway: keys' limits and mlx.yaml's budgets into the book,
// finished requests into the traffic log, alerts to people.
import type { Metering } from '../config/metering.js';
import { openBusyClock } from '../cost/busy-clock.js';
import type { Catalogue } from '../cost/catalogue.js';
import { openAfterwards } from './afterwards.js';
import { openAlerts } from './alerts.js';
import { admit } from './budget/admit.js';
import { openBudgets } from './budget/budgets.js';
import { budgetStates } from './budget/states.js';
import type { BudgetKeeper } from './budget/keeper.js';
import type { Captures } from './capture/recorder.js';
import { chargeFinished, type Charged } from './charge.js';
import type { BudgetState } from './control-api.js';
import type { KeyRing } from './keys/ring.js';
import type { GatewayLog } from './log.js';
import { meterStage, type MeterEdges } from './meter.js';
import { openMetrics } from './metrics/metrics.js';
import type { Finished } from './node-server.js';
import { openPricing } from './pricing.js';
import { openSpans } from './otlp/spans.js';
import type { Reachable } from './routing.js';
import type { Stages } from './stages.js';
import { trafficRow } from './traffic-row.js';
import { openTrafficWriter } from './traffic-writer.js';

export type MeteringEdges = {
  trafficFile: string;
  settings: Metering;
  catalogue: () => Catalogue | undefined;
  ring: () => KeyRing;
  targetsOf: (route: string) => readonly Reachable[];
  urlOf: (upstream: string) => string | undefined;
  now: () => Date;
  warn: (line: string) => void;
  log: GatewayLog;
  captures: Pick<Captures, 'record' | 'lost'>;
};

export type RunningMetering = {
  stages: Pick<Stages, 'admit' | 'meter'>;
  keeper: BudgetKeeper;
  beginBusy: MeterEdges['beginBusy'];
  finish: (finished: Finished) => void;
  /** Rows that wait go where they belong, captures too. */
  flush: () => void;
  keysChanged: () => void;
  reload: (settings: Metering) => void;
  budgets: () => BudgetState[];
  /** In the text format of Prometheus. */
  metrics: (inFlight: Record<string, number>) => string;
  close: () => Promise<void>;
};

export function openMetering(edges: MeteringEdges): RunningMetering {
  const { now, warn, log, ring, targetsOf } = edges;
  let { settings } = edges;
  let pricing = openPricing({ ...edges, ...settings });
  const { writer, rows, metrics, spans, lost } = openSinks(edges, () => settings);
  const alerts = openAlerts({ webhook: () => settings.alerts.webhook, warn, log: log.write });
  const budgets = openBudgets({ settings: () => settings, ring, writer, now, onAlert: alerts.tell });
  const { keeper, limits } = budgets;
  const shared = { keeper, now, pricing: () => pricing };
  const charge = chargeFinished({ ...shared, record: rows.add });
  const beginBusy = sharedBusyTime();
  const states = (): BudgetState[] => budgetStates(budgets.accounts(), settings.alerts.atShare, now().getTime());
  const assumedOutputTokens = (): number => settings.assumedOutputTokens;
  return {
    stages: {
      admit: admit({ ...shared, reserve: keeper.reserve, ring, limits, targetsOf, assumedOutputTokens }),
      meter: meterStage({ ...shared, beginBusy }),
    },
    ...{ keeper, beginBusy, flush: rows.flush },
    finish: (finished) => {
      charge(finished);
      log.finished(finished);
    },
    keysChanged: budgets.reload,
    reload: (changed) => {
      settings = changed;
      pricing = openPricing({ ...edges, ...settings });
      budgets.reload();
      spans.reload();
    },
    budgets: states,
    metrics: (inFlight) => metrics.text({ budgets: states(), inFlight, ...lost() }),
    close: async () => {
      rows.flush();
      writer.close();
      await Promise.all([alerts.close(), spans.close()]);
    },
  };
}

/** What gets each row: the log, the metrics, the spans, and what routes capture. */
function openSinks({ trafficFile, now, warn, captures }: MeteringEdges, settings: () => Metering) {
  const writer = openTrafficWriter({ file: trafficFile, keptMs: settings().trafficKeptMs, now, warn });
  const observed = openMetrics();
  const spans = openSpans(() => settings().otlp, warn);
  const sinks = [writer.record, observed.observe, spans.add, captures.record];
  const rows = openAfterwards(({ finished, charge, at }: Charged) => {
    const row = trafficRow(finished, charge, at);
    if (row) for (const sink of sinks) sink(row, finished.request);
  });
  const flush = (): void => {
    rows.flush();
    writer.flush();
  };
  const metrics: Pick<typeof observed, 'text'> = {
    text: (values) => {
      rows.flush();
      return observed.text(values);
    },
  };
  const lost = () => ({ rowsDropped: writer.dropped(), capturesLost: captures.lost() });
  return { writer: { ...writer, flush }, rows, metrics, spans, lost };
}

function sharedBusyTime(): MeterEdges['beginBusy'] {
  const clock = openBusyClock();
  return (_, server) => {
    const end = clock.begin(server, performance.now());
    return () => end(performance.now());
  };
}
