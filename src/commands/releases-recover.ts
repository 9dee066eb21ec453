// `mlx releases recover`: finishes or undoes what an interrupted promotion left. Touches the same as `mlx promote`.
import type { Context } from '../context.js';
import { exitStatus } from '../errors.js';
import { outcome, type Outcome } from '../output/output.js';
import type { CommandModule } from '../program.js';
import { actorName } from '../registry/actor.js';
import { endLostCanaries } from '../registry/canary-end.js';
import { openPromotionEdges, type PromotionEdges } from '../registry/edges.js';
import { movedTags, putTagsBack, type MovedTag } from '../registry/labels.js';
import { doOrLeave } from '../registry/leave.js';
import { restartLostServers, stopOrphans } from '../registry/lost-servers.js';
import type { PromotionResult } from '../registry/promote.js';
import { release } from '../registry/release.js';
import { renderPromotion } from '../registry/report.js';
import { duePromotions, isAnythingDue, settlePromotions, type Due } from '../registry/settle.js';

export const define: CommandModule['define'] = (command) => {
  command
    .option('--tags', 'also put image tags back that somebody else moved (mlx status shows them)')
    .option('--servers', 'also start model servers of routes again that are gone (the gateway does it after two looks)')
    .option('--canaries', 'also take canaries back whose server does not answer (the gateway does it after two looks)');
  command.addHelpText(
    'after',
    `
Promote, rollback, serve, status, releases and the gateway do this by themselves when they start. Past the switch of the route an
interrupted promotion is finished; before it, it is undone. Servers whose keep_warm_s is over are stopped. What cannot be done because an
engine does not answer is told, and left to the next command (exit status 1).

Examples:
  mlx releases recover
  mlx releases recover --tags
  mlx releases recover --servers --canaries
  mlx releases recover --dry-run`,
  );
};

export const run: CommandModule['run'] = async (context, _args, flags) => {
  const { dryRun } = context.flags;
  const ledger = await context.ledger();
  if (dryRun) return planned(context, flags);
  const done = await settlePromotions(context);
  const edges = await openPromotionEdges(context);
  const more = await recoverMore(edges, flags, actorName(context.environment));
  const { stopped: orphans, unseen } = await stopOrphans(edges);
  const left = duePromotions(ledger, context.now().getTime());
  const { restarted, lost, tags, notDone } = more;
  const value = {
    ...{ dryRun, recovered: done.promotions.map(release), left: left.promotions.map(release), stopped: done.warm },
    ...{ leftServers: left.warm, leftDrills: left.drills, leftCanaries: left.canaries },
    ...{ canaries: [...done.canaries, ...lost], restarted, orphans, unseen, tags },
  };
  const failed = notDone || isAnythingDue(left) || restarted.some(({ error }) => error !== null);
  const lines = [
    ...settledLines(done, 'is'),
    ...leftLines(left),
    ...serverLines(more, orphans),
    ...tagLines(tags, 'is'),
  ];
  const nothing = `Nothing${unseen.length === 0 ? '' : ' that is known'} is left over.`;
  const text = lines.length === 0 && !notDone ? nothing : lines.join('\n');
  return outcome(value, () => text, failed ? exitStatus.failed : exitStatus.ok);
};

async function planned(context: Context, flags: Record<string, unknown>): Promise<Outcome> {
  const ledger = await context.ledger();
  const due = duePromotions(ledger, context.now().getTime());
  const tags = flags['tags'] === true ? await movedTags({ ledger, engine: context.engine }) : [];
  const value = {
    ...{ dryRun: true, recovered: due.promotions.map(release), left: [], stopped: due.warm, canaries: due.canaries },
    ...{ leftServers: [], leftDrills: [], leftCanaries: [], restarted: [], orphans: [], unseen: [], tags },
  };
  const lines = [...settledLines(due, 'would be'), ...tagLines(tags, 'would be')];
  return outcome(value, () => (lines.length === 0 ? 'Nothing is left over.' : lines.join('\n')));
}

/** `notDone`: some of what was asked for could not be done, which was told. */
type More = { lost: string[]; restarted: PromotionResult[]; tags: MovedTag[]; notDone: boolean };

async function recoverMore(edges: PromotionEdges, flags: Record<string, unknown>, actor: string): Promise<More> {
  let notDone = false;
  const done = async <Found>(flag: string, what: string, find: () => Promise<Found[]>): Promise<Found[]> => {
    if (flags[flag] !== true) return [];
    const found = await doOrLeave(edges, what, find);
    notDone ||= found === undefined;
    return found?.value ?? [];
  };
  const restarted = await done('servers', 'Which model servers are gone is not known.', () =>
    restartLostServers(edges, actor),
  );
  const lost = await done('canaries', 'Which canaries are lost is not known.', () => endLostCanaries(edges, actor));
  const tags = await done('tags', 'Which image tags were moved is not known.', async () => {
    const moved = await movedTags(edges);
    await putTagsBack(edges, moved);
    return moved;
  });
  return { restarted, lost, tags, notDone };
}

function settledLines({ promotions, warm, drills, canaries }: Due, verb: string): string[] {
  return [
    ...promotions.map(
      ({ id, kind, model, toVersion }) => `release ${id}, ${kind} of ${model} to version ${toVersion}, ${verb} settled`,
    ),
    ...warm.map(({ serverId }) => `${serverId} ${verb} stopped: it was kept warm long enough`),
    ...drills.map((model) => `the rehearsal of ${model} ${verb} ended`),
    ...canaries.map((model) => `the canary of ${model} ${verb} taken back: its command died`),
  ];
}

function leftLines({ promotions, warm, drills, canaries }: Due): string[] {
  return [
    ...promotions.map(
      ({ id, kind, model, toVersion }) =>
        `release ${id}, ${kind} of ${model} to version ${toVersion}, is not settled yet`,
    ),
    ...warm.map(({ serverId }) => `${serverId} is not stopped yet`),
    ...drills.map((model) => `the rehearsal of ${model} is not ended yet`),
    ...canaries.map((model) => `the canary of ${model} is not taken back yet`),
  ];
}

function serverLines({ lost, restarted }: Pick<More, 'lost' | 'restarted'>, orphans: readonly string[]): string[] {
  return [
    ...orphans.map((id) => `${id} is stopped: no route led to it`),
    ...restarted.map(renderPromotion),
    ...lost.map((model) => `the canary of ${model} is taken back: its server does not answer`),
  ];
}

function tagLines(tags: readonly MovedTag[], verb: string): string[] {
  return tags.map(({ reference, version }) => `${reference} ${verb} put back to version ${version}`);
}
