// `mlx promote`: puts a model version live. Touches: a model server, the route, the gateway, aliases and image tags, the ledger.
import { Option } from 'commander';

import { MlxError } from '../errors.js';
import { outcome, type Outcome } from '../output/output.js';
import { readSpan } from '../output/spans.js';
import { listKeys } from '../ledger/keys.js';
import { findRoute } from '../ledger/promotions.js';
import { findVersion, type ModelVersion } from '../ledger/versions.js';
import type { CommandModule } from '../program.js';
import { actorName } from '../registry/actor.js';
import { runCanary, type CanaryRequest } from '../registry/canary.js';
import { endCanary, type CanaryEnd } from '../registry/canary-end.js';
import { readCanary, stickies } from '../registry/canary-flags.js';
import { canaryReport, canaryStatus, renderCanary, renderPlannedCanary } from '../registry/canary-report.js';
import { openPromotionEdges, type PromotionEdges } from '../registry/edges.js';
import { readStrategy, strategies, strategyHelp } from '../registry/strategy.js';
import { evidenceOf, renderEvidence } from '../registry/evidence.js';
import { planPromotion, type PromotionPlan } from '../registry/plan.js';
import { promote, type PromotionResult } from '../registry/promote.js';
import { promotionStatus, renderPlan } from '../registry/report.js';
import { aliasTarget, canaryAlias, checkAlias, production, routeName } from '../registry/targets.js';
import { watchOf, watchRelease, type WatchRequest } from '../registry/watch.js';
import { renderWatched, watchedPromotion, type WatchedPromotion } from '../registry/watch-report.js';
import { readGolden } from '../serving/golden.js';

/** The way back is a switch of the route until the last look, and a little after it. */
const warmBeyondWatchMs = 60_000;
/** With fewer clients a share by key is far from what was asked for. */
const fewKeys = 5;

export const define: CommandModule['define'] = (command) => {
  command
    .argument('<version>', 'NAME:VERSION, NAME@ALIAS, or NAME for its newest version')
    .option('--alias <alias>', 'production is the address NAME; another one is the address NAME@ALIAS', 'production')
    .addOption(new Option('--strategy <how>', strategyHelp).choices(strategies).default('auto'))
    .option('--max-hold <seconds>', 'with --strategy sleep or hold: how long a request waits at most')
    .option('--watch <time>', 'afterwards, hold its requests against those of the version before; worse: take it back')
    .option('--canary <percent>', 'a share of the requests first; the version that is live keeps the others')
    .option('--step <percent>', 'with --canary: this much more each time that the share did well, below 100 %')
    // --sticky and --every have no default here: whether they were given without --canary must be known.
    .addOption(new Option('--sticky <what>', 'with --canary: what stays on one side (default: key)').choices(stickies))
    .option('--shadow [percent]', 'copies of the requests first; nobody sees the answers')
    .option('--every <time>', 'with --canary or --shadow: how long each share is watched (default: 10m)')
    .option('-m, --message <why>', 'why; kept with the release');
  command.addHelpText('after', details);
};

const details = `
The new version comes up beside the old one, must answer real prompts (and those of evals/golden.jsonl right), leave memory, and not
take serving.max_slowdown times as long for an answer as the old one; it gets the route in one step; the old one finishes its open answers
and stays for serving.keep_warm_s. Where anything fails before that step, the old one stays as it was.

Held-out scores are shown beside those of the live version (a worse one as a warning) and never stop a promotion. Golden prompts do: one
wrong answer, and the version does not go live (exit status 4).

How it comes up (--dry-run shows the choice and the figures behind it: what the old server uses, what is free before the start):
  adapter-swap  its adapter is loaded into the vLLM that runs, where base model, settings and server image are the same (docker)
  side-by-side  a second server, where what the first one uses fits beside it
  sleep         no room for two on the GPU: requests wait in the gateway, the old vLLM's weights move to the machine's memory, the
                new one is started; a rollback wakes the old one. Needs serving.sleep_mode (on by default)
  hold          no room for two: requests wait in the gateway, the old server is stopped, the new one started; if it does not
                come up, the old version comes back

With --watch 10m the command stays: failed requests, the time of answers and of first tokens (95 % of them), and answers cut off, of the
new version against those of the version before in the last 7 days. Worse by more than chance, or a server that died: the version
before is put back, on its server that is kept warm meanwhile (exit status 4). Fewer than 30 answers of either: nobody can tell (5), but
for requests that fail too often to be chance.
Ctrl-C ends the watch and leaves the new version live (130).

With --canary 5% --step 25% the version gets 5, 30, 55 and 80 % of the requests of production, each share for --every, judged at each
like --watch does. Worse: it is taken back (4). Not enough requests: the share stays and does not rise (5). It never gets all of them by
itself: the last share stays until mlx promote without --canary, or mlx rollback. Ctrl-C takes it back (130); so does the next command when
this one was killed. A share sticks to keys (--sticky key, feature), or each request is for itself (--sticky request). With --shadow it
gets copies.

Examples:
  mlx promote tickets:2 -m "better on held-out rows"
  mlx promote tickets:2 --watch 10m
  mlx promote tickets:2 --canary 5% --step 25% --every 10m
  mlx promote tickets:2 --shadow --every 30m
  mlx promote tickets:3 --alias staging
  mlx promote tickets:3 --strategy side-by-side
  mlx promote tickets:3 --strategy hold --max-hold 90
  mlx promote tickets --dry-run`;

export const run: CommandModule['run'] = async (context, [reference = ''], flags) => {
  const { alias, message, watch } = flags as { alias: string; message?: string; watch?: string };
  const watchMs = readWatch(watch);
  const canary = readCanary(flags);
  const version = findVersion(await context.ledger(), reference);
  const candidate = { version, target: aliasTarget(version.model, checkAlias(alias)) };
  const { strategy, maxHoldMs } = readStrategy(flags);
  const opened = await openPromotionEdges(context);
  // Before a server is started for it: what is wrong in the file is told with its lines.
  const prompts = readGolden(opened.goldenFile, version.model).length;
  const edges = {
    ...opened,
    maxHoldMs: maxHoldMs ?? opened.maxHoldMs,
    keepWarmMs: Math.max(opened.keepWarmMs, watchMs === undefined ? 0 : watchMs + warmBeyondWatchMs),
  };
  const actor = actorName(context.environment);
  if (canary)
    return divide(edges, { ...canary, version, actor, reason: message ?? null, strategy }, context.flags.dryRun);
  if (context.flags.dryRun)
    return planned(edges, await planPromotion(edges, candidate, 'promote', strategy), version, prompts);
  const result = await promote(edges, { ...candidate, kind: 'promote', actor, reason: message ?? null, strategy });
  // Whoever had a share until now: the version that was promoted has all requests, or another one was.
  const switched = result.error === null && result.outcome !== 'already_live';
  if (switched && alias === production) await endCanary(edges, version.model, endedBy(edges, version, actor));
  const watched =
    watchMs === undefined ? { ...result, watch: null } : await watchIt(edges, result, { watchMs, actor, strategy });
  const evidence = evidenceOf(edges.ledger, version, result.fromVersion, prompts, result);
  return outcome(
    { ...watched, evidence },
    // Of what did not go live the error says what there is to say.
    (value) => (switched ? `${renderWatched(value)}\n${renderEvidence(evidence)}` : renderWatched(value)),
    promotionStatus(watched),
  );
};

function endedBy({ ledger }: PromotionEdges, { model, version }: ModelVersion, actor: string): CanaryEnd {
  const promoted = findRoute(ledger, routeName(model, canaryAlias))?.version === version;
  const outcome = promoted ? 'promoted' : 'taken_back';
  return { outcome, code: null, actor, reason: `version ${version} was promoted` };
}

function planned(edges: PromotionEdges, plan: PromotionPlan, version: ModelVersion, prompts: number): Outcome {
  const evidence = evidenceOf(edges.ledger, version, plan.fromVersion, prompts);
  return outcome({ ...plan, evidence }, (value) => `${renderPlan(value)}\n${renderEvidence(evidence)}`);
}

async function divide(edges: PromotionEdges, request: CanaryRequest, dryRun: boolean): Promise<Outcome> {
  if (!dryRun) {
    warnOfFewKeys(edges, request);
    const result = canaryReport(await runCanary(edges, request));
    return outcome(result, renderCanary, canaryStatus(result));
  }
  const { version, kind, sticky, shares, everyMs, strategy } = request;
  const target = { route: routeName(version.model, canaryAlias), alias: canaryAlias, labelled: false };
  const plan = await planPromotion(edges, { version, target }, 'promote', strategy);
  return outcome({ ...plan, canary: { kind, sticky, shares, everyMs } }, renderPlannedCanary);
}

/** By key the share of a single client is nothing or everything. */
function warnOfFewKeys({ ledger, onNote }: PromotionEdges, { kind, sticky }: CanaryRequest): void {
  const keys = listKeys(ledger).filter(({ revokedAtMs }) => revokedAtMs === null).length;
  if (kind !== 'canary' || sticky !== 'key' || keys >= fewKeys) return;
  onNote(
    `Clients are divided by their key, and ${keys === 0 ? 'none was made' : `there are ${keys}`}: a share may be nothing or everything. By request instead: --sticky request`,
  );
}

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
