// `mlx releases recover`: finishes or undoes what an interrupted promotion left. Touches the same as `mlx promote`.
import { exitStatus } from '../errors.js';
import { outcome } from '../output/output.js';
import type { CommandModule } from '../program.js';
import { actorName } from '../registry/actor.js';
import { clearUp, type ClearedUp } from '../registry/clear-up.js';
import { planClearUp } from '../registry/clear-up-plan.js';
import { openPromotionEdges } from '../registry/edges.js';
import type { PromotionResult } from '../registry/promote.js';
import type { Way } from '../registry/recover.js';
import { release } from '../registry/release.js';
import { renderPromotion } from '../registry/report.js';
import { isAnythingDue, type Due } from '../registry/settle.js';

export const define: CommandModule['define'] = (command) => {
  command
    .option('--tags', 'also put image tags back that somebody else moved (mlx status shows them)')
    .option(
      '--servers',
      'also start model servers of routes again that are gone (a gateway that runs does it by itself)',
    )
    .option(
      '--canaries',
      'also take canaries back whose server does not answer (a gateway that runs does it by itself)',
    );
  command.addHelpText(
    'after',
    `
Promote, rollback, serve, status, releases and the gateway do this by themselves when they start. Past the switch of the route an
interrupted promotion is finished; before it, it is undone. Servers whose keep_warm_s is over are stopped. What cannot be done because an
engine does not answer is told, and left to the next command (exit status 1). --dry-run asks the same questions and tells the same.

Examples:
  mlx releases recover
  mlx releases recover --tags
  mlx releases recover --servers --canaries
  mlx releases recover --dry-run`,
  );
};

export const run: CommandModule['run'] = async (context, _args, flags) => {
  const { dryRun } = context.flags;
  const edges = await openPromotionEdges(context);
  const [servers, canaries, tags] = ['servers', 'canaries', 'tags'].map((name) => flags[name] === true);
  const wanted = { servers: servers === true, canaries: canaries === true, tags: tags === true };
  if (!dryRun) return told(await clearUp(edges, wanted, actorName(context.environment)), done);
  const plan = await planClearUp(edges, wanted);
  return told(plan, planned(plan.ways));
};

function told(cleared: ClearedUp, words: Words) {
  const { settled, left, lost, restarted, tags, orphans, unseen, notDone } = cleared;
  const value = {
    ...{ dryRun: words.dryRun, recovered: settled.promotions.map(release), left: left.promotions.map(release) },
    ...{ stopped: settled.warm, leftServers: left.warm, leftDrills: left.drills, leftCanaries: left.canaries },
    ...{ canaries: [...settled.canaries, ...lost], restarted, orphans, unseen, tags },
  };
  const failed = notDone || isAnythingDue(left) || restarted.some(({ error }) => error !== null);
  const lines = [...doneLines(cleared, words), ...leftLines(left)];
  const nothing = `Nothing${unseen.length === 0 ? '' : ' that is known'} is left over.`;
  const text = lines.length === 0 && !notDone ? nothing : lines.join('\n');
  return outcome(value, () => text, failed ? exitStatus.failed : exitStatus.ok);
}

type Words = {
  dryRun: boolean;
  verb: 'is' | 'would be';
  /** Of an interrupted promotion, by its release. */
  settled: (release: number) => string;
  restarted: (result: PromotionResult) => string;
};

const done: Words = { dryRun: false, verb: 'is', settled: () => 'settled', restarted: renderPromotion };

function planned(ways: readonly Way[]): Words {
  const finished = new Set(ways.flatMap(({ promotion, plan }) => (plan.direction === 'finish' ? [promotion.id] : [])));
  return {
    ...{ dryRun: true, verb: 'would be' },
    settled: (id) => (finished.has(id) ? 'finished: it had switched already' : 'undone'),
    restarted: ({ route, model, toVersion }) =>
      `the model server of ${route} would be started again, with ${model}:${toVersion}`,
  };
}

function doneLines({ settled, orphans, restarted, lost, tags }: ClearedUp, { verb, ...words }: Words): string[] {
  const { promotions, warm, drills, canaries } = settled;
  return [
    ...promotions.map(
      ({ id, kind, model, toVersion }) =>
        `release ${id}, ${kind} of ${model} to version ${toVersion}, ${verb} ${words.settled(id)}`,
    ),
    ...warm.map(({ serverId }) => `${serverId} ${verb} stopped: it was kept warm long enough`),
    ...drills.map((model) => `the rehearsal of ${model} ${verb} ended`),
    ...canaries.map((model) => `the canary of ${model} ${verb} taken back: its command died`),
    ...orphans.map((id) => `${id} ${verb} stopped: no route led to it`),
    ...restarted.map(words.restarted),
    ...lost.map((model) => `the canary of ${model} ${verb} taken back: its server does not answer`),
    ...tags.map(({ reference, version }) => `${reference} ${verb} put back to version ${version}`),
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
