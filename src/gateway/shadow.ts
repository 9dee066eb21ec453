// A copy of a request to a route's shadow: its answer is read to the end, metered, captured where the route says so, and thrown away.
// It costs the client nothing: it starts when the client's answer has begun, and there are never many.
import type { Core } from './app.js';
import { sendAttempt, type Asking } from './attempt.js';
import { openDeparture, type Departure } from './departure.js';
import type { Finished } from './node-server.js';
import type { Step } from './plan.js';

const atOnce = 4;
const shadowEnding = '-shadow';

export type Shadows = {
  begin: () => Departure | undefined;
  end: () => void;
  /** Open ones are given up: nobody waits for them. */
  stop: () => void;
};

export function openShadows(): Shadows {
  const stopping = openDeparture();
  let open = 0;
  return {
    begin: () => {
      if (open >= atOnce || stopping.gone()) return undefined;
      open += 1;
      return stopping;
    },
    end: () => void (open -= 1),
    stop: stopping.leave,
  };
}

export function startShadow(core: Core, { request, question, route }: Asking, step: Step): void {
  const departure = core.shadows.begin();
  if (!departure) return;
  const startedMs = core.clock.nowMs();
  const { dialect, operation, keyId, tenant, feature, stream } = request.trace;
  const who = { dialect, operation, keyId, tenant, feature, stream };
  const trace = { ...withoutUndefined(who), route: route.name, attempts: [] };
  const copy = { ...request, id: `${request.id}${shadowEnding}`, departure, trace };
  const finish = (status: number, end: Finished['end']): void => {
    core.shadows.end();
    core.onShadow({ request: copy, status, durationMs: core.clock.nowMs() - startedMs, end });
  };
  void readWhole(core, { request: copy, question, route, startedMs }, step).then(
    (status) => finish(status, 'complete'),
    () => finish(502, 'broken'),
  );
}

/** The id of the request that the client made. */
export function servedId(id: string): string {
  return id.endsWith(shadowEnding) ? id.slice(0, -shadowEnding.length) : id;
}

async function readWhole(core: Core, asking: Asking, step: Step): Promise<number> {
  const result = await sendAttempt(core, asking, step);
  if (result.kind !== 'answer') return 'response' in result ? (result.response?.status ?? 502) : 503;
  const { body, status } = core.stages.capture(asking.request, asking.question, result.response);
  if (typeof body !== 'string' && !(body instanceof Uint8Array)) for await (const part of body) void part;
  return status;
}

function withoutUndefined<Value extends object>(
  value: Value,
): { [Key in keyof Value]: Exclude<Value[Key], undefined> } {
  const kept = Object.entries(value).filter(([, inner]) => inner !== undefined);
  return Object.fromEntries(kept) as { [Key in keyof Value]: Exclude<Value[Key], undefined> };
}
