// The runtime of a lock: that very image or environment while it is still there, else today's.
import type { Engine, RuntimeDescription } from '../engine/engine.js';
import { MlxError } from '../errors.js';
import type { Lock } from '../recipe/lock.js';
import { runtimeFacts } from '../training/runtime-facts.js';
import type { PreflightEdges } from './preflight.js';

export type TodaysRuntime = {
  facts: Lock['runtime'];
  /** Of the lock, and not the one that a training would take today. */
  pinnedId: string | undefined;
};

/** @param bringBack take the lock's own where it is there, else build or install what is missing; else only look */
export async function lockedRuntime(
  edges: PreflightEdges,
  engine: Engine | undefined,
  { runtime }: Lock,
  bringBack: boolean,
): Promise<TodaysRuntime> {
  const kind = engine?.kind ?? runtime.engine;
  const today = await describe(engine);
  if (!bringBack || engine === undefined) {
    return { facts: runtimeFacts(kind, today, runtime.packages), pinnedId: undefined };
  }
  const pinned = await findPinned(engine, runtime, today);
  if (pinned !== undefined) return { facts: pinned, pinnedId: runtime.id ?? undefined };
  await engine.prepareRuntime('trainer', edges.onProgress, edges.signal);
  return { facts: runtimeFacts(kind, await describe(engine), runtime.packages), pinnedId: undefined };
}

async function findPinned(
  engine: Engine,
  runtime: Lock['runtime'],
  today: RuntimeDescription | undefined,
): Promise<Lock['runtime'] | undefined> {
  if (runtime.id === null || runtime.id === today?.id || runtime.engine !== engine.kind) return undefined;
  const there = await describe(engine, runtime.id);
  if (there?.id === undefined || there.installed === undefined) return undefined;
  return {
    ...runtime,
    python: there.python ?? null,
    packages: asLocked(there.installed, runtime.packages ?? {}),
    // An image brings its scripts along; an environment takes those of today.
    scripts: engine.kind === 'docker' ? runtime.scripts : runtimeFacts(engine.kind, undefined).scripts,
  };
}

/** The archives of an earlier list are known to the lock alone; the versions are those that are installed. */
function asLocked(installed: Record<string, string>, locked: Record<string, string>): Record<string, string> {
  const named = Object.entries(installed).map(([name, version]) => {
    const before = locked[name];
    return [name, before?.startsWith(`${version} `) === true ? before : version] as const;
  });
  return Object.fromEntries(named);
}

/** What cannot be said now (no Python, no answer) is unknown. */
async function describe(engine: Engine | undefined, id?: string): Promise<RuntimeDescription | undefined> {
  try {
    return await engine?.describeRuntime('trainer', id);
  } catch (error) {
    if (!(error instanceof MlxError)) throw error;
    return undefined;
  }
}
