// Switches that go wrong at a given place: a command that dies, as by kill -9 (it never goes on, and its owner is dead to whoever looks),
// and an engine that does not answer.
import { MlxError } from '../../../src/errors.js';
import { openPromotions } from '../../../src/ledger/promotions.js';
import type { PromotionEdges } from '../../../src/registry/edges.js';
import type { FailPoint } from '../../../src/registry/journal.js';
import type { World } from './world.js';

/** Resolves when the command has reached the place, or with false when it ended without coming there. */
export async function killAt(
  world: World,
  point: FailPoint,
  command: (edges: PromotionEdges) => Promise<unknown>,
): Promise<boolean> {
  let die: (reached: boolean) => void = () => undefined;
  const dead = new Promise<boolean>((resolve) => (die = resolve));
  const failPoint = (reached: FailPoint): Promise<void> => {
    if (reached !== point) return Promise.resolve();
    die(true);
    return new Promise(() => undefined);
  };
  const ended = command({ ...world.edges, failPoint }).then(() => false);
  const reached = await Promise.race([dead, ended]);
  for (const { id } of openPromotions(world.ledger))
    world.ledger.database.prepare("UPDATE promotions SET owner = '1:1:dead' WHERE id = ?").run(id);
  return reached;
}

/** The engine does not answer, once, when the old servers are to be stopped: after the switch, beyond the way back. */
export function failingDrain(world: World): Pick<PromotionEdges, 'failPoint'> {
  const listServers = world.engine.listServers;
  return {
    failPoint: async (point) => {
      if (point !== 'drain: begun') return;
      world.engine.listServers = async () => {
        world.engine.listServers = listServers;
        throw new MlxError('DOCKER_UNREACHABLE', 'The Docker Engine does not answer.');
      };
    },
  };
}

/** Calls `work` when the switch comes to that place, and lets it go on. */
export function at(world: World, place: FailPoint, work: () => void): PromotionEdges {
  return {
    ...world.edges,
    failPoint: async (point) => {
      if (point === place) work();
    },
  };
}
