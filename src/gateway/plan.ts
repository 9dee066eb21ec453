// Which upstreams a request may go to, in which order, and why not to the others. Pure: `mlx routes explain` asks the same.
import { localUpstream } from '../config/upstream-schema.js';
import type { DataClass, RouteConfig, Target } from '../config/route-schema.js';
import type { Breaker } from './breaker.js';
import { resolveTarget, type Destination, type Routing } from './routing.js';

export type Role = 'primary' | 'canary' | 'fallback' | 'shadow';

export type Step = { role: Role; destination: Destination };

export type SkipReason = 'private' | 'unavailable' | 'breaker_open';

/** `id`: of the destination, where there is one. */
export type Skipped = { role: Role; target: Target; id?: string; reason: SkipReason; why: string };

export type Plan = { steps: Step[]; skipped: Skipped[]; shadow: Step | undefined };

export type Situation = {
  breakerOf: (id: string) => Breaker['state'];
  /** Milliseconds until an open breaker lets a probe pass. */
  closedForMs: (id: string) => number;
  /** From 0 up to 100: below the percentage means in. */
  canaryDraw: number;
  shadowDraw: number;
};

export function planAttempts(routing: Routing, route: RouteConfig, situation: Situation): Plan {
  const { canary, shadow } = route;
  const inCanary = canary !== undefined && situation.canaryDraw < canary.percent;
  const steps: Step[] = [];
  const skipped: Skipped[] = [];
  const consider = (role: Role, target: Target): void => {
    const judged = judge(routing, route.dataClass, role, target, situation);
    if ('destination' in judged) steps.push(judged);
    else skipped.push(judged);
  };
  if (inCanary) consider('canary', canary.target);
  consider('primary', route.primary);
  for (const target of route.fallback) consider('fallback', target);
  const inShadow = shadow !== undefined && situation.shadowDraw < shadow.percent;
  const shadowed = inShadow ? judge(routing, route.dataClass, 'shadow', shadow.target, situation) : undefined;
  return { steps, skipped, shadow: shadowed && 'destination' in shadowed ? shadowed : undefined };
}

/**
 * The one place that says whether a request may leave this machine. Primary, retry, fallback, canary and shadow all come
 * through here, and `sendAttempt` asks once more before it opens a connection.
 */
export function mayTake(dataClass: DataClass, destination: Pick<Destination, 'local'>): boolean {
  return dataClass !== 'private' || destination.local;
}

function judge(
  routing: Routing,
  dataClass: DataClass,
  role: Role,
  target: Target,
  situation: Situation,
): Step | Skipped {
  const destination = resolveTarget(routing, target);
  if (typeof destination === 'string') return { role, target, reason: 'unavailable', why: destination };
  if (!mayTake(dataClass, destination)) {
    return { role, target, reason: 'private', why: 'the route is private, and this is not on this machine' };
  }
  const breaker = situation.breakerOf(destination.id);
  if (breaker === 'closed' || (breaker === 'open' && situation.closedForMs(destination.id) === 0)) {
    return { role, destination };
  }
  return {
    role,
    target,
    id: destination.id,
    reason: 'breaker_open',
    why: `${target.upstream === localUpstream ? 'its model server' : target.upstream} failed too often just now`,
  };
}

/** Another route draws anew for the same key: not every canary meets the same people. */
export function stickyName(route: string, value: string): string {
  return `${route} ${value}`;
}

/** The same text falls on the same side, whatever ran before it. */
export function drawOf(text: string): number {
  let hash = 0x811c9dc5; // FNV-1a, 32 bits: http://www.isthe.com/chongo/tech/comp/fnv/
  for (const byte of Buffer.from(text)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  // FNV's low bits are its weak ones on short texts: mixed before they are used (MurmurHash3's finalizer).
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (((hash ^ (hash >>> 16)) >>> 0) / 2 ** 32) * 100;
}
