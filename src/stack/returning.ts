// Model servers that are down and that the running gateway starts again by itself, among the parts of the stack. Pure.
import type { EngineKind } from '../engine/engine.js';
import { nobody, type Part } from './status.js';

/** `text`: what a person need not do, and can. */
export type Return = { route: string; text: string; restart: NonNullable<Part['restart']> };

type Led = { serverId: string; engine: EngineKind; digest: string };

/** By their names. */
export function partsDown(parts: readonly Part[]): Set<string> {
  return new Set(parts.flatMap(({ name, fix }) => (fix === undefined ? [] : [name])));
}

/**
 * One that is not even there any more is a part all the same: a route leads to it. @param asked the engines of `parts`: of another nobody
 * knows whether it is there. @param returns by the id of the server
 */
export function withReturning(
  parts: readonly Part[],
  routes: readonly Led[],
  asked: readonly EngineKind[],
  returns: ReadonlyMap<string, Return>,
): Part[] {
  const told = parts.map((part): Part => {
    const found = part.fix === undefined ? undefined : returns.get(part.name);
    return found ? { ...part, fix: `mlx logs ${part.name}; ${found.text}`, restart: found.restart } : part;
  });
  const names = new Set(parts.map(({ name }) => name));
  const missed = routes.filter(({ serverId, engine }) => asked.includes(engine) && !names.has(serverId));
  return [...told, ...missed.flatMap((route) => goneServer(route, returns))];
}

function goneServer({ serverId: name, engine, digest: runtime }: Led, returns: ReadonlyMap<string, Return>): Part[] {
  const found = returns.get(name);
  if (!found) return [];
  const lastLines = [`Is not there any more; ${found.route} leads to it`];
  const gone = { ...nobody, name, kind: 'server', engine, state: 'exited', runtime, lastLines } as const;
  return [{ ...gone, fix: found.text, restart: found.restart }];
}
