// `mlx rollback`: puts the version back that was live before. Touches the same as `mlx promote`, through the same code.
import { Option } from 'commander';

import type { Context } from '../context.js';
import { exitStatus, MlxError } from '../errors.js';
import { findRoute, type Route } from '../ledger/promotions.js';
import type { ModelVersion } from '../ledger/versions.js';
import { outcome, type Outcome } from '../output/output.js';
import type { CommandModule } from '../program.js';
import { actorName } from '../registry/actor.js';
import { drillRollback, type Drill } from '../registry/drill.js';
import { endCanary, type CanaryEnd } from '../registry/canary-end.js';
import { rollBackCanary } from '../registry/canary-rollback.js';
import { openPromotionEdges } from '../registry/edges.js';
import { versionBefore } from '../registry/history.js';
import { settlePromotions } from '../registry/settle.js';
import { readStrategy, strategies, strategyHelp } from '../registry/strategy.js';
import { planPromotion } from '../registry/plan.js';
import { promote } from '../registry/promote.js';
import { promotionStatus, renderDrill, renderPlan, renderPromotion } from '../registry/report.js';
import { canaryAlias, liveVersion, onlyModel, production, rollbackCandidate, routeName } from '../registry/targets.js';

export const define: CommandModule['define'] = (command) => {
  command
    .argument('[model]', 'the model; none: the only one in production')
    .option('--to <version>', 'this version, instead of the one before')
    .option('--drill', 'rehearse it on a route of its own and say how long it takes; production is not touched')
    .addOption(new Option('--strategy <how>', strategyHelp).choices(strategies).default('auto'))
    .option('--max-hold <seconds>', 'with --strategy sleep or hold: how long a request waits at most')
    .option('-m, --message <why>', 'why; kept with the release');
  command.addHelpText(
    'after',
    `
Goes back to the version that was live before this one. Typed again, it goes one further back, never forward: a version that was rolled
back from, by hand or by --watch, is passed over unless --to names it. NAME@previous and the image tag :previous are the version that it
would go to; there is none where nothing is left. To undo a rollback, promote what it left (the command says how).

Takes milliseconds while the old server is still there (serving.keep_warm_s in mlx.yaml), seconds where it sleeps, else the time that
a server takes to start. Needs no network and builds nothing. While a version has a share of the requests (mlx promote --canary, --shadow), that share
is what is taken back, and production stays as it is.

Examples:
  mlx rollback tickets -m "answers in the wrong language"
  mlx rollback tickets --to 1
  mlx rollback tickets --drill
  mlx rollback --dry-run`,
  );
};

export const run: CommandModule['run'] = async (context, [model], flags) => {
  const { to, message } = flags as { to?: string; message?: string };
  const ledger = await context.ledger();
  const name = model ?? onlyModel(ledger);
  const trial = findRoute(ledger, routeName(name, canaryAlias));
  if (trial && to === undefined && flags['drill'] !== true) return takeBack(context, trial, message);
  // What was interrupted may have switched already, and what was live before depends on it.
  if (!context.flags.dryRun) await settlePromotions(context);
  const candidate = rollbackCandidate(ledger, name, readVersion(to));
  const { strategy, maxHoldMs } = readStrategy(flags);
  const opened = await openPromotionEdges(context);
  const edges = { ...opened, maxHoldMs: maxHoldMs ?? opened.maxHoldMs };
  if (context.flags.dryRun) return outcome(await planPromotion(edges, candidate, 'rollback', strategy), renderPlan);
  const actor = actorName(context.environment);
  if (flags['drill'] === true) return drilled(await drillRollback(edges, candidate, { actor, strategy }));
  sayWhatGoesBack(liveVersion(ledger, name), candidate.version, edges.onNote);
  const result = await promote(edges, { ...candidate, kind: 'rollback', actor, reason: message ?? null, strategy });
  if (result.error === null && result.outcome !== 'already_live')
    await endCanary(edges, name, takenBackBy(actor, `production went back to version ${result.toVersion}`));
  return outcome(result, renderPromotion, promotionStatus(result));
};

/** While a version is on trial, it is what is taken back: production is not touched. */
async function takeBack(context: Context, trial: Route, message = 'mlx rollback'): Promise<Outcome> {
  const { dryRun } = context.flags;
  const { model, version } = trial;
  const end = takenBackBy(actorName(context.environment), message);
  const ledger = await context.ledger();
  const open = () => openPromotionEdges(context);
  if (!dryRun) await rollBackCanary({ ledger, signal: context.signal, open }, trial, end);
  const live = findRoute(ledger, model)?.version ?? null;
  const before = live === null ? undefined : versionBefore(ledger, { model, alias: production }, live);
  const further =
    before === undefined ? '' : ` Another mlx rollback takes production back to version ${before.version}.`;
  return outcome({ outcome: 'canary_taken_back', dryRun, model, version, live }, () => {
    const verb = dryRun ? 'would be' : 'is';
    return `The share of ${model}:${version} ${verb} taken back; version ${live ?? '--'} has all requests.${dryRun ? '' : further}`;
  });
}

function takenBackBy(actor: string, reason: string): CanaryEnd {
  return { outcome: 'taken_back', code: null, actor, reason };
}

/** Who meant the share of a canary, which is over by now, can still press Ctrl-C. */
function sayWhatGoesBack(
  live: number | undefined,
  { model, version }: ModelVersion,
  onNote: (line: string) => void,
): void {
  if (live === undefined || live === version) return;
  onNote(`Production of ${model} goes back from version ${live} to version ${version}.`);
}

function drilled(drill: Drill): Outcome {
  return outcome(drill, renderDrill, drill.error === null ? exitStatus.ok : exitStatus.failed);
}

function readVersion(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const number = /^v?(\d+)$/.exec(text)?.[1];
  if (number !== undefined) return Number(number);
  throw new MlxError('USAGE', `--to takes the number of a version, not '${text}'.`, { hint: 'For example: --to 1' });
}
