// A rehearsed rollback: the version before is put behind a route of its own, and taken away again. Production is not touched.
import { findRoute } from '../ledger/promotions.js';
import { listSteps } from '../ledger/promotion-steps.js';
import type { PromotionEdges } from './edges.js';
import { promote, type PromotionRequest, type PromotionResult } from './promote.js';
import { takeRouteAway } from './retire.js';
import { drillAlias, routeName, type Candidate } from './targets.js';

export type Drill = {
  model: string;
  toVersion: number;
  route: string;
  ready: boolean;
  /** What a rollback would have taken until the first answer of the version before. */
  untilSwitchedMs: number | null;
  startedServer: boolean;
  error: PromotionResult['error'];
};

export async function drillRollback(
  edges: PromotionEdges,
  { version }: Candidate,
  { actor, strategy }: Pick<PromotionRequest, 'actor' | 'strategy'>,
): Promise<Drill> {
  const { model, version: toVersion } = version;
  const route = routeName(model, drillAlias);
  await endDrill(edges, model);
  const target = { route, alias: drillAlias, labelled: false };
  try {
    const { id, error } = await promote(edges, {
      version,
      target,
      kind: 'rollback',
      actor,
      reason: 'drill',
      strategy: strategy ?? 'auto',
    });
    const steps = id === null ? [] : listSteps(edges.ledger, id);
    return {
      ...{ model, toVersion, route, ready: error === null, error },
      untilSwitchedMs: switchTime(steps),
      startedServer: steps.some(({ step }) => step === 'start'),
    };
  } finally {
    await endDrill(edges, model);
  }
}

/** From the first step to the end of the flip. */
function switchTime(steps: ReturnType<typeof listSteps>): number | null {
  const first = steps[0];
  const flipped = steps.find(({ step, state }) => step === 'flip' && state === 'done')?.endedAtMs;
  return first && flipped ? flipped - first.begunAtMs : null;
}

/** Also of a drill whose command died. */
export async function endDrill(edges: PromotionEdges, model: string): Promise<void> {
  const route = findRoute(edges.ledger, routeName(model, drillAlias));
  if (route) await takeRouteAway(edges, route);
}
