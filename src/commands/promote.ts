// `mlx promote`: puts a model version live. Touches: a model server, the route, the gateway, aliases and image tags, the ledger.
import { Option } from 'commander';

import { outcome } from '../output/output.js';
import { findVersion } from '../ledger/versions.js';
import type { CommandModule } from '../program.js';
import { actorName } from '../registry/actor.js';
import { openPromotionEdges } from '../registry/edges.js';
import { readStrategy, strategies, strategyHelp } from '../registry/strategy.js';
import { planPromotion } from '../registry/plan.js';
import { promote } from '../registry/promote.js';
import { promotionStatus, renderPlan, renderPromotion } from '../registry/report.js';
import { aliasTarget, checkAlias } from '../registry/targets.js';

export const define: CommandModule['define'] = (command) => {
  command
    .argument('<version>', 'NAME:VERSION, NAME@ALIAS, or NAME for its newest version')
    .option('--alias <alias>', 'production is the address NAME; another one is the address NAME@ALIAS', 'production')
    .addOption(new Option('--strategy <how>', strategyHelp).choices(strategies).default('side-by-side'))
    .option('--max-hold <seconds>', 'with --strategy hold: how long a request waits at most')
    .option('-m, --message <why>', 'why; kept with the release');
  command.addHelpText(
    'after',
    `
The new version starts beside the old one, must answer real prompts (and those of evals/golden.jsonl right), gets the route in one
step; the old one finishes its open answers and stays for serving.keep_warm_s. Where anything fails before that step, the old one
stays as it was. With --strategy hold, for a machine that has no room for two: requests wait in the gateway, the old server is
stopped, the new one started; if it does not come up, the old version comes back.

Examples:
  mlx promote tickets:2 -m "better on held-out rows"
  mlx promote tickets:3 --alias staging
  mlx promote tickets:3 --strategy hold --max-hold 90
  mlx promote tickets --dry-run`,
  );
};

export const run: CommandModule['run'] = async (context, [reference = ''], flags) => {
  const { alias, message } = flags as { alias: string; message?: string };
  const version = findVersion(await context.ledger(), reference);
  const candidate = { version, target: aliasTarget(version.model, checkAlias(alias)) };
  const { strategy, maxHoldMs } = readStrategy(flags);
  const opened = await openPromotionEdges(context);
  const edges = { ...opened, maxHoldMs: maxHoldMs ?? opened.maxHoldMs };
  if (context.flags.dryRun) return outcome(await planPromotion(edges, candidate, 'promote', strategy), renderPlan);
  const actor = actorName(context.environment);
  const result = await promote(edges, { ...candidate, kind: 'promote', actor, reason: message ?? null, strategy });
  return outcome(result, renderPromotion, promotionStatus(result));
};
