// `mlx rollback`: puts the version back that the latest promotion left. Touches the same as `mlx promote`, through the same code.
import { MlxError } from '../errors.js';
import { outcome } from '../output/output.js';
import type { CommandModule } from '../program.js';
import { actorName } from '../registry/actor.js';
import { openPromotionEdges } from '../registry/edges.js';
import { planPromotion } from '../registry/plan.js';
import { promote } from '../registry/promote.js';
import { promotionStatus, renderPlan, renderPromotion } from '../registry/report.js';
import { onlyModel, rollbackCandidate } from '../registry/targets.js';

export const define: CommandModule['define'] = (command) => {
  command
    .argument('[model]', 'the model; none: the only one in production')
    .option('--to <version>', 'this version, instead of the one before')
    .option('-m, --message <why>', 'why; kept with the release');
  command.addHelpText(
    'after',
    `
Examples:
  mlx rollback tickets -m "answers in the wrong language"
  mlx rollback tickets --to 1
  mlx rollback --dry-run`,
  );
};

export const run: CommandModule['run'] = async (context, [model], flags) => {
  const { to, message } = flags as { to?: string; message?: string };
  const ledger = await context.ledger();
  const candidate = rollbackCandidate(ledger, model ?? onlyModel(ledger), readVersion(to));
  const edges = await openPromotionEdges(context);
  if (context.flags.dryRun) return outcome(await planPromotion(edges, candidate, 'rollback'), renderPlan);
  const actor = actorName(context.environment);
  const result = await promote(edges, { ...candidate, kind: 'rollback', actor, reason: message ?? null });
  return outcome(result, renderPromotion, promotionStatus(result));
};

function readVersion(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const number = /^v?(\d+)$/.exec(text)?.[1];
  if (number !== undefined) return Number(number);
  throw new MlxError('USAGE', `--to takes the number of a version, not '${text}'.`, { hint: 'For example: --to 1' });
}
