// A worker's side of keys, budgets, content and metering: it asks the primary where something is counted, and tells it what became
// of each request.
import type { Limits } from '../../ledger/keys.js';
import { admit } from '../budget/admit.js';
import { limitsOf } from '../budget/restore.js';
import { captureStage } from '../capture/recorder.js';
import type { Taken } from '../capture/tap.js';
import { openContent } from '../content.js';
import { gatewayKey } from '../key.js';
import { keyRing, type KeyRing } from '../keys/ring.js';
import { livePrices, type LivePrices } from '../live-prices.js';
import { meterStage } from '../meter.js';
import { authorize } from '../middleware/keys.js';
import type { Finished } from '../node-server.js';
import { openPricing, type Pricing } from '../pricing.js';
import type { Stages } from '../stages.js';
import { ticketOf } from '../tickets.js';
import type { FinishedReport, PrimaryCalls } from './calls.js';
import type { Channel } from './channel.js';
import type { Latest } from './latest.js';
import type { WorkerSettings } from './worker.js';

export type WorkerClients = {
  stages: Stages;
  finish: (finished: Finished) => void;
  /** After a new snapshot came. */
  reload: () => Promise<void>;
  close: () => Promise<void>;
};

export async function openWorkerClients(
  { paths, now }: WorkerSettings,
  latest: Latest,
  primary: Channel<PrimaryCalls>,
): Promise<WorkerClients> {
  const prices = await livePrices(latest.current);
  const read = reader(latest, prices.catalogue, gatewayKey(paths.secrets), now);
  let used = read();
  latest.onChange(() => (used = read()));
  const content = openContent({
    promptsFolder: paths.prompts,
    redaction: () => latest.config().gateway.redaction,
    routeOf: (name) => latest.current().routes.get(name),
  });
  return {
    stages: {
      authorize: authorize(
        () => used.ring,
        () => now().getTime(),
      ),
      ...content.stages,
      capture: captureStage((name) => latest.current().routes.get(name)?.capturePercent ?? 0),
      admit: admit({
        ring: () => used.ring,
        reserve: (accounts, estimate) => primary.ask('reserve', { accounts, estimate }),
        limits: () => used.limits,
        pricing: () => used.pricing,
        targetsOf: (route) => latest.current().reachable.get(route) ?? [],
        assumedOutputTokens: () => latest.config().gateway.metering.assumedOutputTokens,
        now,
      }),
      meter: meterStage({ pricing: () => used.pricing, beginBusy: busyAtPrimary(primary) }),
    },
    finish: (finished) => primary.tell('finished', reportOf(finished)),
    reload: prices.reload,
    close: content.close,
  };
}

type Read = { ring: KeyRing; limits: ReadonlyMap<string, Limits>; pricing: Pricing };

function reader(latest: Latest, catalogue: LivePrices['catalogue'], ownerKey: string, now: () => Date): () => Read {
  const urlOf = (upstream: string): string | undefined => latest.current().upstreams.get(upstream)?.url;
  return () => {
    const { metering } = latest.config().gateway;
    return {
      ring: keyRing(ownerKey, latest.keys()),
      limits: limitsOf(latest.keys(), metering.budgets),
      pricing: openPricing({ ...metering, catalogue, urlOf, now }),
    };
  };
}

/** The share of the time is known to the primary alone, which takes it up when the request is told as finished. */
function busyAtPrimary(primary: Channel<PrimaryCalls>) {
  return ({ id: requestId }: { id: string }, server: string) => {
    primary.tell('busy', { requestId, server });
    return () => {
      primary.tell('idle', requestId);
      return 0;
    };
  };
}

function reportOf({ request, status, durationMs, end }: Finished): FinishedReport {
  const { id, method, target, trace } = request;
  const { ticket, ...plain } = trace;
  const { reservationId, bodyBytes, facts, outputTokens, taken } = ticket ?? ticketOf(trace);
  const known = status < 400 ? facts?.() : facts && {};
  return {
    ...{ status, durationMs, end, request: { id, method, target, trace: plain } },
    ...{ reservationId, bodyBytes, facts: known },
    taken: taken && withoutBody(taken),
    outputTokens: known && known.usage === undefined ? (outputTokens?.() ?? 0) : 0,
  };
}

/** What is captured is read from the fields and the answer. */
function withoutBody({ question, ...taken }: Taken): Taken {
  return { ...taken, question: { ...question, body: Buffer.alloc(0) } };
}
