// `mlx releases recover`: finishes or undoes what an interrupted promotion left. Touches the same as `mlx promote`.
import type { Promotion } from '../ledger/promotions.js';
import { outcome } from '../output/output.js';
import type { CommandModule } from '../program.js';
import { deadPromotions } from '../registry/journal.js';
import { release } from '../registry/release.js';
import { settlePromotions } from '../registry/settle.js';

export const define: CommandModule['define'] = (command) => {
  command.addHelpText(
    'after',
    `
Promote, rollback, serve, status, releases and the gateway do this by themselves when they start. Past the switch of the route an
interrupted promotion is finished; before it, it is undone.

Examples:
  mlx releases recover
  mlx releases recover --dry-run`,
  );
};

export const run: CommandModule['run'] = async (context) => {
  if (context.flags.dryRun) {
    const waiting = deadPromotions(await context.ledger());
    return outcome({ dryRun: true, interrupted: waiting.map(release) }, () => said(waiting, 'would recover'));
  }
  const recovered = await settlePromotions(context);
  return outcome({ recovered: recovered.map(release) }, () => said(recovered, 'recovered'));
};

function said(promotions: Promotion[], verb: string): string {
  if (promotions.length === 0) return 'No promotion was interrupted.';
  return promotions
    .map(({ id, kind, model, toVersion }) => `${verb} release ${id}: ${kind} of ${model} to version ${toVersion}`)
    .join('\n');
}
