// `mlx releases recover`: finishes or undoes what an interrupted promotion left. Touches the same as `mlx promote`.
import type { Context } from '../context.js';
import { exitStatus } from '../errors.js';
import type { Promotion } from '../ledger/promotions.js';
import { outcome } from '../output/output.js';
import type { CommandModule } from '../program.js';
import { actorName } from '../registry/actor.js';
import { endLostCanaries } from '../registry/canary-end.js';
import { openPromotionEdges } from '../registry/edges.js';
import { deadPromotions } from '../registry/journal.js';
import { movedTags, putTagsBack, type MovedTag } from '../registry/labels.js';
import { restartLostServers, stopOrphans } from '../registry/lost-servers.js';
import type { PromotionResult } from '../registry/promote.js';
import { release } from '../registry/release.js';
import { renderPromotion } from '../registry/report.js';
import { duePromotions, settlePromotions, type Due } from '../registry/settle.js';

export const define: CommandModule['define'] = (command) => {
  command
    .option('--tags', 'also put image tags back that somebody else moved (mlx status shows them)')
    .option('--servers', 'also start model servers of routes again that are gone (the gateway does it after two looks)')
    .option('--canaries', 'also take canaries back whose server does not answer (the gateway does it after two looks)');
  command.addHelpText(
    'after',
    `
Promote, rollback, serve, status, releases and the gateway do this by themselves when they start. Past the switch of the route an
interrupted promotion is finished; before it, it is undone. Servers whose keep_warm_s is over are stopped.

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
  const done = dryRun ? duePromotions(ledger, context.now().getTime()) : await settlePromotions(context);
  const more = dryRun ? { lost: [], restarted: [] } : await recoverServers(context, flags);
  const edges = { ledger, engine: context.engine };
  const tags = flags['tags'] === true ? await movedTags(edges) : [];
  if (!dryRun) await putTagsBack(edges, tags);
  const left = dryRun ? [] : deadPromotions(ledger);
  // Where Docker does not answer nothing is known of them.
  const orphans = dryRun || left.length > 0 ? [] : await stopOrphans(await openPromotionEdges(context));
  const { canaries, warm: stopped } = done;
  const value = {
    ...{ dryRun, recovered: done.promotions.map(release), left: left.map(release), stopped },
    ...{ canaries: [...canaries, ...more.lost], restarted: more.restarted, orphans, tags },
  };
  const failed = left.length > 0 || more.restarted.some(({ error }) => error !== null);
  const lines = [...settledLines(done, dryRun ? 'would be' : 'is'), ...leftLines(left), ...serverLines(more, orphans)];
  const shown = [...lines, ...tagLines(tags, dryRun ? 'would be' : 'is')];
  const text = shown.length === 0 ? 'Nothing is left over.' : shown.join('\n');
  return outcome(value, () => text, failed ? exitStatus.failed : exitStatus.ok);
};

type Servers = { lost: string[]; restarted: PromotionResult[] };

async function recoverServers(context: Context, flags: Record<string, unknown>): Promise<Servers> {
  const [canaries, servers] = [flags['canaries'] === true, flags['servers'] === true];
  if (!canaries && !servers) return { lost: [], restarted: [] };
  const edges = await openPromotionEdges(context);
  const restarted = servers ? await restartLostServers(edges, actorName(context.environment)) : [];
  return { lost: canaries ? await endLostCanaries(edges) : [], restarted };
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

function leftLines(left: readonly Promotion[]): string[] {
  return left.map(
    ({ id, kind, model, toVersion }) =>
      `release ${id}, ${kind} of ${model} to version ${toVersion}, is not settled yet`,
  );
}

function serverLines({ lost, restarted }: Servers, orphans: readonly string[]): string[] {
  return [
    ...orphans.map((id) => `${id} is stopped: no route led to it`),
    ...restarted.map(renderPromotion),
    ...lost.map((model) => `the canary of ${model} is taken back: its server does not answer`),
  ];
}

function tagLines(tags: readonly MovedTag[], verb: string): string[] {
  return tags.map(({ reference, version }) => `${reference} ${verb} put back to version ${version}`);
}
