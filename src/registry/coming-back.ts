// Model servers that are down and that the running gateway starts again by itself (registry/revive.ts): when, and what does so at once. Pure.
import type { Care } from '../gateway/gone-servers.js';
import { formatDuration } from '../output/numbers.js';
import { restartableRoutes, type Rows } from './rows.js';

/** `looking`: the gateway has not seen yet that it is gone. */
export type Restart = { route: string; state: 'looking' | 'waiting' | 'starting'; nextAtMs: number | null };

/** By the id of the server that is down. @param cares of the running gateway; null: nobody looks after servers */
export function comingRestarts(
  rows: Rows,
  cares: readonly Care[] | null,
  down: ReadonlySet<string>,
): Map<string, Restart> {
  if (cares === null) return new Map();
  const known = new Map(cares.map((care) => [care.serverId, care.nextAtMs]));
  return new Map(
    restartableRoutes(rows).flatMap(({ name: route, serverId }): [string, Restart][] => {
      const nextAtMs = known.get(serverId);
      if (nextAtMs === undefined) return down.has(serverId) ? [[serverId, lookedAt(route)]] : [];
      return [[serverId, { route, state: nextAtMs === null ? 'starting' : 'waiting', nextAtMs }]];
    }),
  );
}

function lookedAt(route: string): Restart {
  return { route, state: 'looking', nextAtMs: null };
}

/** What a person need not do, and can. */
export function restartText({ route, state, nextAtMs }: Restart, nowMs: number): string {
  if (state === 'starting') return 'the gateway is starting it again now';
  return `the gateway starts it again by itself ${whenText(nextAtMs, nowMs)}; at once: mlx serve ${route}`;
}

function whenText(nextAtMs: number | null, nowMs: number): string {
  if (nextAtMs === null) return 'within half a minute';
  const leftS = Math.ceil((nextAtMs - nowMs) / 1_000);
  return leftS < 1 ? 'in a moment' : `in ${formatDuration(leftS * 1_000)}`;
}
