// Everything that counts and limits, put together for the running gateway: keys' limits and mlx.yaml's budgets into the book,
// finished requests into the traffic log, alerts to people.
import type { Metering } from '../config/metering.js';
import { openBusyClock } from '../cost/busy-clock.js';
import type { Catalogue } from '../cost/catalogue.js';
import { openAlerts } from './alerts.js';
import { admit } from './budget/admit.js';
import { openBudgets } from './budget/budgets.js';
import { budgetStates } from './budget/states.js';
import type { BudgetKeeper } from './budget/keeper.js';
import type { Captures } from './capture/recorder.js';
import { chargeFinished } from './charge.js';
import type { BudgetState } from './control-api.js';
import type { KeyRing } from './keys/ring.js';
import type { GatewayLog } from './log.js';
import { meterStage, type MeterEdges } from './meter.js';
import { openMetrics } from './metrics/metrics.js';
import type { Finished } from './node-server.js';
import { openPricing } from './pricing.js';
import type { Reachable } from './routing.js';
import { openSpans } from './otlp/spans.js';
import type { Stages } from './stages.js';
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
  /** Settles and writes down now what is over: before prices change, by those that it ran under. */
  settleAll: () => void;
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
  const { writer, metrics, spans, sinks, lost } = openSinks(edges, () => settings);
  const alerts = openAlerts({ webhook: () => settings.alerts.webhook, warn, log: log.write });
  const settleAll = (): void => charging.flush();
  const budgets = openBudgets({ settings: () => settings, ring, writer, now, onAlert: alerts.tell, settleAll });
  const { keeper, limits } = budgets;
  const shared = { keeper, now, pricing: () => pricing };
  const charging = chargeFinished({ ...shared, sinks });
  const beginBusy = sharedBusyTime();
  const states = (): BudgetState[] => budgetStates(budgets.accounts(), settings.alerts.atShare, now().getTime());
  const assumedOutputTokens = (): number => settings.assumedOutputTokens;
  return {
    stages: {
      admit: admit({ ...shared, reserve: keeper.reserve, ring, limits, targetsOf, assumedOutputTokens }),
      meter: meterStage({ ...shared, beginBusy }),
    },
    ...{ keeper, beginBusy, settleAll },
    finish: (finished) => {
      charging.add(finished);
      log.finished(finished);
    },
    keysChanged: budgets.reload,
    reload: (changed) => {
      settleAll();
      settings = changed;
      pricing = openPricing({ ...edges, ...settings });
      budgets.reload();
      spans.reload();
    },
    budgets: states,
    metrics: (inFlight) => metrics.text({ budgets: states(), inFlight, ...lost() }),
    close: async () => {
      writer.close();
      await Promise.all([alerts.close(), spans.close()]);
    },
  };
}

/** What gets each row: the log, the metrics, the spans, and what routes capture. */
function openSinks({ trafficFile, now, warn, captures }: MeteringEdges, settings: () => Metering) {
  const writer = openTrafficWriter({ file: trafficFile, keptMs: settings().trafficKeptMs, now, warn });
  const metrics = openMetrics();
  const spans = openSpans(() => settings().otlp, warn);
  const lost = () => ({ rowsDropped: writer.dropped(), capturesLost: captures.lost() });
  return { writer, metrics, spans, lost, sinks: [writer.record, metrics.observe, spans.add, captures.record] };
}

function sharedBusyTime(): MeterEdges['beginBusy'] {
  const clock = openBusyClock();
  return (_, server) => {
    const end = clock.begin(server, performance.now());
    return () => end(performance.now());
  };
}
