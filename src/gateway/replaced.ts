// Whether the model server of a step is being replaced, or was, since the plan was made. Pure.
import { heldUntil } from './holds.js';
import type { Step } from './plan.js';
import { resolveTarget, type Routing } from './routing.js';

/** Its route's requests wait: whoever is switching may stop its server, or put it to sleep, at any moment. */
export function isHeld(routing: Routing, route: string, { destination }: Step): boolean {
  // Nearly always: nothing else is looked up for a request then.
  if (heldUntil(routing, route) === undefined) return false;
  const { upstream, model } = destination.target;
  const primary = routing.routes.get(route)?.primary;
  return primary?.upstream === upstream && primary.model === model;
}

/** The same step at the server that is there now; undefined where that is the same one, or none. */
export function movedStep(routing: Routing, step: Step): Step | undefined {
  const destination = resolveTarget(routing, step.destination.target);
  if (typeof destination === 'string' || destination.id === step.destination.id) return undefined;
  return { ...step, destination };
}

export function isReplaced(routing: Routing, route: string, step: Step): boolean {
  return isHeld(routing, route, step) || movedStep(routing, step) !== undefined;
}
