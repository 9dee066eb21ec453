// A project in which a recipe was trained once by a scripted trainer, and what is asked of its lock.
import { checkLock, replay, type ReplayReport, type ReplayWish } from '../../../src/replay/replay.js';
import { findLock } from '../../../src/replay/source.js';
import { train, type TrainEdges } from '../../../src/training/train.js';
import { fakeEngine, type FakeEngine } from '../training/fake-engine.js';
import { edgesOf, project, tickets } from '../training/tickets-project.js';

export const plain: ReplayWish = { allowed: [], tolerance: 0.01 };

export type World = ReturnType<typeof project> & { engine: FakeEngine; edges: TrainEdges; first: string };

/** A project in which `tickets` was trained once. */
export async function trained(engine = fakeEngine()): Promise<World> {
  const place = project();
  const { edges } = edgesOf(place, engine);
  const { id } = await train(edges, tickets);
  return { ...place, engine, edges, first: id };
}

export const sourceOf = ({ paths, ledger }: World, reference = 'tickets') =>
  findLock({ paths, ledger: () => Promise.resolve(ledger) }, reference);

export async function check(world: World, allowed: string[] = []): Promise<ReplayReport> {
  return checkLock(world.edges, await sourceOf(world), { allowed });
}

export async function again(world: World, wish = plain, reference?: string): Promise<ReplayReport> {
  return replay(world.edges, await sourceOf(world, reference), wish, () => undefined);
}

export const drifted = ({ fields }: ReplayReport): string[] =>
  fields.filter(({ status, allowed }) => status === 'drift' && !allowed).map(({ field }) => field);

export const row = (question: string): string => `${JSON.stringify({ prompt: question, completion: '{"a":1}' })}\n`;
