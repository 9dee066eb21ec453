// `mlx promote`: puts a model version live. Touches: a model server, the route, the gateway, aliases and image tags, the ledger.
import { Option } from 'commander';

import { MlxError } from '../errors.js';
import { outcome } from '../output/output.js';
import { readSpan } from '../output/spans.js';
import { findVersion } from '../ledger/versions.js';
import type { CommandModule } from '../program.js';
import { actorName } from '../registry/actor.js';
import { openPromotionEdges, type PromotionEdges } from '../registry/edges.js';
import { readStrategy, strategies, strategyHelp } from '../registry/strategy.js';
import { planPromotion } from '../registry/plan.js';
import { promote, type PromotionResult } from '../registry/promote.js';
import { promotionStatus, renderPlan } from '../registry/report.js';
import { aliasTarget, checkAlias } from '../registry/targets.js';
import { watchOf, watchRelease, type WatchRequest } from '../registry/watch.js';
import { renderWatched, watchedPromotion, type WatchedPromotion } from '../registry/watch-report.js';

/** The way back is a switch of the route until the last look, and a little after it. */
const warmBeyondWatchMs = 60_000;

export const define: CommandModule['define'] = (command) => {
  command
    .argument('<version>', 'NAME:VERSION, NAME@ALIAS, or NAME for its newest version')
    .option('--alias <alias>', 'production is the address NAME; another one is the address NAME@ALIAS', 'production')
    .addOption(new Option('--strategy <how>', strategyHelp).choices(strategies).default('side-by-side'))
    .option('--max-hold <seconds>', 'with --strategy hold: how long a request waits at most')
    .option('--watch <time>', 'afterwards, hold its requests against those of the version before; worse: take it back')
    .option('-m, --message <why>', 'why; kept with the release');
  command.addHelpText(
    'after',
    `
The new version starts beside the old one, must answer real prompts (and those of evals/golden.jsonl right), gets the route in one
step; the old one finishes its open answers and stays for serving.keep_warm_s. Where anything fails before that step, the old one
stays as it was. With --strategy hold, for a machine that has no room for two: requests wait in the gateway, the old server is
stopped, the new one started; if it does not come up, the old version comes back.

With --watch 10m the command stays: failed requests, the time of answers and of first tokens (95 % of them), and answers cut off, of the
new version against those of the version before in the last 7 days. Worse by more than chance, or a server that died: the version
before is put back, on its server that is kept warm meanwhile (exit status 4). Fewer than 30 requests to either: nobody can tell (5).
Ctrl-C ends the watch and leaves the new version live (130).

Examples:
  mlx promote tickets:2 -m "better on held-out rows"
  mlx promote tickets:2 --watch 10m
  mlx promote tickets:3 --alias staging
  mlx promote tickets:3 --strategy hold --max-hold 90
  mlx promote tickets --dry-run`,
  );
};

export const run: CommandModule['run'] = async (context, [reference = ''], flags) => {
  const { alias, message, watch } = flags as { alias: string; message?: string; watch?: string };
  const watchMs = readWatch(watch);
  const version = findVersion(await context.ledger(), reference);
  const candidate = { version, target: aliasTarget(version.model, checkAlias(alias)) };
  const { strategy, maxHoldMs } = readStrategy(flags);
  const opened = await openPromotionEdges(context);
  const edges = {
    ...opened,
    maxHoldMs: maxHoldMs ?? opened.maxHoldMs,
    keepWarmMs: Math.max(opened.keepWarmMs, watchMs === undefined ? 0 : watchMs + warmBeyondWatchMs),
  };
  if (context.flags.dryRun) return outcome(await planPromotion(edges, candidate, 'promote', strategy), renderPlan);
  const actor = actorName(context.environment);
  const result = await promote(edges, { ...candidate, kind: 'promote', actor, reason: message ?? null, strategy });
  const watched =
    watchMs === undefined ? { ...result, watch: null } : await watchIt(edges, result, { watchMs, actor, strategy });
  return outcome(watched, renderWatched, promotionStatus(watched));
};

async function watchIt(
  edges: PromotionEdges,
  result: PromotionResult,
  request: WatchRequest,
): Promise<WatchedPromotion> {
  const watch = result.error === null ? watchOf(edges, result) : undefined;
  if (watch) return watchedPromotion(result, await watchRelease(edges, watch, request));
  if (result.error === null) edges.onNote('There was no version before it: there is nothing to watch it against.');
  return { ...result, watch: null };
}

function readWatch(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const watchMs = readSpan(text, '--watch');
  if (watchMs > 0) return watchMs;
  throw new MlxError('USAGE', `--watch takes a time above zero, not '${text}'.`, { hint: 'For example: --watch 10m' });
}
