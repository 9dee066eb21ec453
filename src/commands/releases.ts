// `mlx releases`: who put what live, when and why, what failed, and what was taken back. Reads the ledger.
import type { Context } from '../context.js';
import { listPromotions } from '../ledger/promotions.js';
import { findVersion } from '../ledger/versions.js';
import { formatAgo, formatDuration } from '../output/numbers.js';
import { outcome } from '../output/output.js';
import { renderTable, type Column } from '../output/table.js';
import type { CommandModule } from '../program.js';
import { releaseKind } from '../registry/release.js';
import { settlePromotions } from '../registry/settle.js';
import {
  setback,
  standingCode,
  standingReleases,
  standingText,
  standingWord,
  type StandingRelease,
} from '../registry/standing.js';
import { routeName } from '../registry/targets.js';

const shownAtMost = 200;

export const define: CommandModule['define'] = (command) => {
  command.argument('[model]', 'only this model').option('--all', 'also restarts of a version that was live already');
  command.addHelpText(
    'after',
    `
What failed, was rolled back, or was taken back (after a watch, or as a canary) is shown with its code, and below the table with when, by whom
and why. A restart of a version that was live already is called so, and auto-restart where the gateway did it by itself (restart, by_gateway in --json).

Examples:
  mlx releases
  mlx releases tickets --all --json
  mlx releases show 12`,
  );
};

export const run: CommandModule['run'] = async (context, [model], flags) => {
  await settlePromotions(context);
  const ledger = await context.ledger();
  // The usual error, with the nearest names, for a model that does not exist.
  if (model !== undefined) findVersion(ledger, model);
  const found = listPromotions(ledger, { model, restarts: flags['all'] === true, limit: shownAtMost });
  return outcome({ releases: standingReleases(ledger, found) }, ({ releases }) => renderReleases(releases, context));
};

function renderReleases(releases: StandingRelease[], { now, output }: Context): string {
  if (releases.length === 0) return 'Nothing was put live yet: mlx promote MODEL:VERSION';
  const nowMs = now().getTime();
  const columns: Column<StandingRelease>[] = [
    { title: '#', cell: ({ id }) => String(id) },
    { title: 'when', cell: ({ startedAtMs }) => formatAgo(startedAtMs, nowMs), dropFirst: 1 },
    { title: 'who', cell: ({ actor }) => actor, dropFirst: 5 },
    { title: 'what', cell: releaseKind, dropFirst: 2 },
    { title: 'route', cell: ({ model, alias }) => routeName(model, alias) },
    {
      title: 'from',
      cell: ({ fromVersion }) => (fromVersion === null ? '--' : String(fromVersion)),
      align: 'right',
      dropFirst: 3,
    },
    { title: 'to', cell: ({ toVersion }) => String(toVersion), align: 'right' },
    { title: 'state', cell: standingWord },
    // Stands below the table too, with the reason.
    { title: 'code', cell: standingCode, dropFirst: 6 },
    {
      title: 'took',
      cell: ({ startedAtMs, endedAtMs }) => formatDuration((endedAtMs ?? nowMs) - startedAtMs),
      align: 'right',
      dropFirst: 7,
    },
    { title: 'why', cell: ({ reason }) => reason?.replaceAll(/\s+/g, ' ') ?? '', cutTo: 12, dropFirst: 4 },
  ];
  const setbacks = releases.flatMap((shown) => setbackLine(shown, nowMs));
  return [renderTable(columns, releases, output.columns), ...(setbacks.length === 0 ? [] : ['', ...setbacks])].join(
    '\n',
  );
}

/** Below the table: a reason has no room in it. Two spaces: where it is broken, what follows begins below the first word. */
function setbackLine(shown: StandingRelease, nowMs: number): string[] {
  const found = setback(shown);
  if (!found) return [];
  const when = found.atMs === null ? '' : ` ${formatAgo(found.atMs, nowMs)}`;
  const by = found.actor === null ? '' : ` by ${found.actor}`;
  return [`#${shown.id}  ${shown.model}:${shown.toVersion} ${standingText(shown)}${when}${by}: ${found.why}`];
}
