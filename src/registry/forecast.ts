// What will be there once this or that is cleared up, for the plan of `mlx releases recover`: what comes later depends on it. Pure.
import type { EngineKind, ModelServer } from '../engine/engine.js';
import type { Route } from '../ledger/promotions.js';
import type { WarmServer } from '../ledger/warm-servers.js';
import type { PromotionEdges } from './edges.js';
import type { Way } from './recover.js';
import { usedServers } from './rows.js';
import { serversOf, type Scene } from './scene.js';
import { subjectOf, type Subject } from './subjects.js';
import { planDrain } from './switch.js';

/** A promotion is finished or undone: nobody is at work on its model any more. */
export function afterWay(
  edges: Pick<PromotionEdges, 'now' | 'keepWarmMs'>,
  scene: Scene,
  { promotion: { model }, entries, plan }: Way,
): Scene {
  const free: Scene = { ...scene, busy: new Set([...scene.busy].filter((name) => name !== model)) };
  if (plan.direction === 'undo')
    return plan.entries.reduce<Scene>((seen, { subject }) => afterUndo(seen, subject), free);
  const flip = subjectOf(entries, 'flip');
  if (!flip || !plan.left.includes('drain')) return free;
  const stopped = subjectOf(entries, 'stop') !== undefined;
  const { engines, warm } = planDrain(edges, flip.before, flip.after, stopped);
  // One server a model is kept, the latest.
  const kept = warm ? [...free.warm.filter((server) => server.model !== model), { model, ...warm }] : free.warm;
  return engines.reduce<Scene>((seen, kind) => withoutUnused(seen, model, kind), { ...free, warm: kept });
}

/** A canary or a rehearsal that is taken away: its share, its route, and what only that led to. */
export function withoutRoute(scene: Scene, name: string): Scene {
  const splits = scene.splits.filter(({ candidate }) => candidate !== name);
  const route = scene.routes.find((one) => one.name === name);
  const rest = { ...scene, splits, routes: scene.routes.filter((one) => one !== route) };
  return route ? withoutUnused(rest, route.model, route.engine) : rest;
}

export function withoutWarm(scene: Scene, { serverId }: WarmServer): Scene {
  const rest = { ...scene, warm: scene.warm.filter((server) => server.serverId !== serverId) };
  return scene.routes.some((route) => route.serverId === serverId) ? rest : withoutServer(rest, serverId);
}

/** Its server is started again: the route leads to it, and nothing to what else there was of the model. */
export function afterRestart(scene: Scene, { name, model, engine }: Route): Scene {
  const routes = scene.routes.map((route) =>
    route.name === name ? { ...route, serverId: `${name}, started` } : route,
  );
  return withoutUnused({ ...scene, routes }, model, engine);
}

function afterUndo(scene: Scene, subject: Subject): Scene {
  switch (subject.step) {
    case 'start':
      return withoutServer(scene, subject.serverId);
    case 'wake': {
      const routed = scene.routes.some(({ serverId }) => serverId === subject.serverId);
      const warm = scene.warm.filter(({ serverId }) => serverId !== subject.serverId);
      return routed ? scene : withoutServer({ ...scene, warm }, subject.serverId);
    }
    case 'flip': {
      const { before, after } = subject;
      const others = scene.routes.filter(({ serverId, name }) => name !== after.name || serverId !== after.serverId);
      return others.length === scene.routes.length
        ? scene
        : { ...scene, routes: before ? [...others, before] : others };
    }
    case 'stop':
    case 'sleep':
      return withServerOf(scene, subject.former);
    case 'tags':
    case 'hold':
    case 'ready':
    case 'release':
    case 'drain':
      return scene;
  }
}

/** The old version answers again behind its route, on the old server or on another one. */
function withServerOf(scene: Scene, former: Route): Scene {
  const { name, model, version, engine } = former;
  const { serverId } = scene.routes.find((route) => route.name === name) ?? former;
  if (serversOf(scene, engine).some(({ id, state }) => id === serverId && state !== 'exited')) return scene;
  const others = changed(scene, engine, (server) => server.model !== model || server.version !== version);
  const again: ModelServer = {
    ...{ id: former.serverId, servedName: model, model, version, digest: former.digest },
    ...{ state: 'running', address: former.address, startedAtMs: 0, exitStatus: null },
  };
  const servers = new Map(others.servers).set(engine, { found: [...serversOf(others, engine), again] });
  return { ...others, servers, routes: [...scene.routes.filter((route) => route.name !== name), former] };
}

function withoutServer(scene: Scene, id: string): Scene {
  return [...scene.servers.keys()].reduce((seen, kind) => changed(seen, kind, (server) => server.id !== id), scene);
}

function withoutUnused(scene: Scene, model: string, kind: EngineKind): Scene {
  const used = usedServers(scene);
  return changed(scene, kind, (server) => server.model !== model || used.has(server.id));
}

/** Of an engine that does not answer nothing is known. */
function changed(scene: Scene, kind: EngineKind, keeps: (server: ModelServer) => boolean): Scene {
  const seen = scene.servers.get(kind);
  if (!seen || 'unseen' in seen) return scene;
  return { ...scene, servers: new Map(scene.servers).set(kind, { found: seen.found.filter(keeps) }) };
}
