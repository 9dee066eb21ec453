// `mlx releases show`: one release step by step, with times. Reads the ledger.
import pc from 'picocolors';

import { MlxError } from '../errors.js';
import { findPromotion } from '../ledger/promotions.js';
import { listSteps } from '../ledger/promotion-steps.js';
import { formatDuration } from '../output/numbers.js';
import { outcome } from '../output/output.js';
import { renderTable, type Column } from '../output/table.js';
import type { CommandModule } from '../program.js';
import { releaseKind } from '../registry/release.js';
import { settlePromotions } from '../registry/settle.js';
import { standingRelease, standingText, type StandingRelease } from '../registry/standing.js';
import { describeWatch } from '../registry/watch-report.js';

export const define: CommandModule['define'] = (command) => {
  command.argument('<release>', 'its number, as mlx releases shows it');
  command.addHelpText(
    'after',
    `
Every step is written down before it is done, so this is also what is known of a command that was killed.

Examples:
  mlx releases show 12
  mlx releases show 12 --json`,
  );
};

type ShownStep = {
  step: string;
  state: string;
  startedAtMs: number;
  durationMs: number | null;
  subject: unknown;
  /** What it found out. */
  result: unknown;
};

export const run: CommandModule['run'] = async (context, [text = '']) => {
  await settlePromotions(context);
  const ledger = await context.ledger();
  const found = /^\d+$/.test(text) ? findPromotion(ledger, Number(text)) : undefined;
  if (!found) throw new MlxError('NOT_FOUND', `There is no release ${text}.`, { hint: 'See them: mlx releases --all' });
  const steps = listSteps(ledger, found.id).map(({ step, state, begunAtMs, endedAtMs, subject, result }): ShownStep => {
    const durationMs = endedAtMs === null ? null : endedAtMs - begunAtMs;
    const parsed: unknown = JSON.parse(subject);
    const found: unknown = result === null ? null : JSON.parse(result);
    return { step, state, startedAtMs: begunAtMs, durationMs, subject: parsed, result: found };
  });
  const watches = listSteps(ledger, found.id)
    .filter(({ step }) => step === 'watch')
    .map(describeWatch);
  const standing = standingRelease(ledger, found);
  return outcome({ ...standing, steps }, () =>
    [render(standing, steps, context.output.columns), ...watches].join('\n\n'),
  );
};

function render(shown: StandingRelease, steps: ShownStep[], width: number): string {
  const { id, model, alias, fromVersion, toVersion, actor, reason, startedAtMs, errorMessage, back } = shown;
  const columns: Column<ShownStep>[] = [
    { title: 'step', cell: ({ step }) => step },
    { title: 'state', cell: ({ state }) => (state === 'undone' ? pc.yellow(state) : state) },
    { title: 'after', cell: (step) => shortTime(step.startedAtMs - startedAtMs), align: 'right' },
    {
      title: 'took',
      cell: ({ durationMs }) => (durationMs === null ? '--' : shortTime(durationMs)),
      align: 'right',
    },
  ];
  return [
    `release ${id}  ${releaseKind(shown)} of ${model}@${alias}: ${fromVersion ?? 'nothing'} -> ${toVersion}  ${standingText(shown)}`,
    `by ${actor} at ${new Date(startedAtMs).toISOString()}${reason === null ? '' : `: ${reason}`}`,
    ...(errorMessage === null ? [] : [errorMessage]),
    ...(back === null ? [] : [backLine(back)]),
    '',
    steps.length === 0 ? pc.dim('no step was begun') : renderTable(columns, steps, width),
  ].join('\n');
}

/** Who did it stands with the release that did it, where there is one. */
function backLine({ atMs, actor, why, release: by }: NonNullable<StandingRelease['back']>): string {
  const when = atMs === null ? '' : ` at ${new Date(atMs).toISOString()}`;
  const who = by === null ? `${when}${actor === null ? '' : ` by ${actor}`}` : ` by release ${by}${when}`;
  return `went back${who}: ${why ?? 'no reason was given'}`;
}

/** Steps take milliseconds or minutes. */
function shortTime(durationMs: number): string {
  return durationMs < 1_000 ? `${durationMs} ms` : formatDuration(durationMs);
}
