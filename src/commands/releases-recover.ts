// `mlx releases recover`: finishes or undoes what an interrupted promotion left. Touches the same as `mlx promote`.
import { outcome } from '../output/output.js';
import type { CommandModule } from '../program.js';
import { endLostCanaries } from '../registry/canary-end.js';
import { openPromotionEdges } from '../registry/edges.js';
import { movedTags, putTagsBack, type MovedTag } from '../registry/labels.js';
import { release } from '../registry/release.js';
import { duePromotions, settlePromotions, type Due } from '../registry/settle.js';

export const define: CommandModule['define'] = (command) => {
  command
    .option('--tags', 'also put image tags back that somebody else moved (mlx status shows them)')
    .option('--canaries', 'also take canaries back whose server does not answer (the gateway does it after two looks)');
  command.addHelpText(
    'after',
    `
Promote, rollback, serve, status, releases and the gateway do this by themselves when they start. Past the switch of the route an
interrupted promotion is finished; before it, it is undone. Servers whose keep_warm_s is over are stopped.

Examples:
  mlx releases recover
  mlx releases recover --tags
  mlx releases recover --canaries
  mlx releases recover --dry-run`,
  );
};

export const run: CommandModule['run'] = async (context, _args, flags) => {
  const { dryRun } = context.flags;
  const ledger = await context.ledger();
  const done = dryRun ? duePromotions(ledger, context.now().getTime()) : await settlePromotions(context);
  const lost = flags['canaries'] === true && !dryRun ? await endLostCanaries(await openPromotionEdges(context)) : [];
  const edges = { ledger, engine: context.engine };
  const tags = flags['tags'] === true ? await movedTags(edges) : [];
  if (!dryRun) await putTagsBack(edges, tags);
  const { canaries, warm: stopped } = done;
  const value = { dryRun, recovered: done.promotions.map(release), stopped, canaries: [...canaries, ...lost], tags };
  return outcome(value, () => said(done, lost, tags, dryRun ? 'would be' : 'is'));
};

function said(
  { promotions, warm, drills, canaries }: Due,
  lost: readonly string[],
  tags: readonly MovedTag[],
  verb: string,
): string {
  const lines = [
    ...promotions.map(
      ({ id, kind, model, toVersion }) => `release ${id}, ${kind} of ${model} to version ${toVersion}, ${verb} settled`,
    ),
    ...warm.map(({ serverId }) => `${serverId} ${verb} stopped: it was kept warm long enough`),
    ...drills.map((model) => `the rehearsal of ${model} ${verb} ended`),
    ...canaries.map((model) => `the canary of ${model} ${verb} taken back: its command died`),
    ...lost.map((model) => `the canary of ${model} ${verb} taken back: its server does not answer`),
    ...tags.map(({ reference, version }) => `${reference} ${verb} put back to version ${version}`),
  ];
  return lines.length === 0 ? 'Nothing is left over.' : lines.join('\n');
}
