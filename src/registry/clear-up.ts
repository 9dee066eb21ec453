// All that `mlx releases recover` does: what was interrupted is settled, what is gone started again or taken back, what nothing leads to
// stopped. And the same as a plan, which asks the same questions of what will be there and does nothing. Touches what `mlx promote` touches.
import type { EngineKind } from '../engine/engine.js';
import type { PromotionEdges } from './edges.js';
import { endLostCanaries } from './canary-end.js';
import { movedTags, putTagsBack, type MovedTag } from './labels.js';
import { doOrLeave, type Done } from './leave.js';
import { restartLostServers, stopOrphans } from './lost-servers.js';
import type { PromotionResult } from './promote.js';
import { duePromotions, settleDue, type Due } from './settle.js';

export type Wanted = { servers: boolean; canaries: boolean; tags: boolean };

export type ClearedUp = {
  settled: Due;
  left: Due;
  /** Models whose canary stood without a server. */
  lost: string[];
  restarted: PromotionResult[];
  tags: MovedTag[];
  /** Servers that nothing led to, and engines that could not be asked for them. */
  orphans: string[];
  unseen: EngineKind[];
  /** Some of what was asked for could not be done, which was told. */
  notDone: boolean;
};

export async function clearUp(edges: PromotionEdges, wanted: Wanted, actor: string): Promise<ClearedUp> {
  const settled = await settleDue(edges, actor);
  const more = await wantedOnly(edges, wanted, {
    servers: () => restartLostServers(edges, actor),
    canaries: () => endLostCanaries(edges, actor),
    tags: async () => {
      const moved = await movedTags(edges);
      await putTagsBack(edges, moved);
      return { done: moved, whole: true };
    },
  });
  const { stopped: orphans, unseen } = await stopOrphans(edges);
  const left = duePromotions(edges.ledger, edges.now().getTime());
  return { settled, ...more, orphans, unseen, left };
}

type Finders = {
  servers: () => Promise<Done<PromotionResult>>;
  canaries: () => Promise<Done<string>>;
  tags: () => Promise<Done<MovedTag>>;
};

/** In this order, for the plan as well. */
export async function wantedOnly(
  edges: Pick<PromotionEdges, 'onNote'>,
  wanted: Wanted,
  find: Finders,
): Promise<Pick<ClearedUp, 'restarted' | 'lost' | 'tags' | 'notDone'>> {
  let notDone = false;
  const done = async <Found>(is: boolean, what: string, work: () => Promise<Done<Found>>): Promise<Found[]> => {
    if (!is) return [];
    const found = await doOrLeave(edges, what, work);
    notDone ||= found?.value.whole !== true;
    return found?.value.done ?? [];
  };
  const restarted = await done(wanted.servers, 'Which model servers are gone is not known.', find.servers);
  const lost = await done(wanted.canaries, 'Which canaries are lost is not known.', find.canaries);
  const tags = await done(wanted.tags, 'Which image tags were moved is not known.', find.tags);
  return { restarted, lost, tags, notDone };
}
