// `mlx releases`: who put what live, when and why. Reads the ledger.
import pc from 'picocolors';

import type { Context } from '../context.js';
import { listPromotions, listRoutes } from '../ledger/promotions.js';
import { findVersion } from '../ledger/versions.js';
import { formatAgo, formatDuration } from '../output/numbers.js';
import { outcome } from '../output/output.js';
import { renderTable, type Column } from '../output/table.js';
import type { CommandModule } from '../program.js';
import { release, releaseState, type Release } from '../registry/release.js';
import { settlePromotions } from '../registry/settle.js';
import { isLabelled, routeName } from '../registry/targets.js';

const shownAtMost = 200;

export const define: CommandModule['define'] = (command) => {
  command
    .argument('[model]', 'only this model')
    .option('--all', 'also what failed, and restarts of a version that was live already');
  command.addHelpText(
    'after',
    `
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
  const found = listPromotions(ledger, { model, releasesOnly: flags['all'] !== true, limit: shownAtMost });
  const routes = new Set(listRoutes(ledger).map(({ name }) => name));
  return outcome({ releases: found.map(release) }, ({ releases }) => renderReleases(releases, routes, context));
};

function renderReleases(releases: Release[], routes: ReadonlySet<string>, { now, output }: Context): string {
  if (releases.length === 0) return 'Nothing was put live yet: mlx promote MODEL:VERSION';
  const nowMs = now().getTime();
  const replaced = replacedReleases(releases);
  const columns: Column<Release>[] = [
    { title: '#', cell: ({ id }) => String(id), dropFirst: 4 },
    { title: 'when', cell: ({ startedAtMs }) => formatAgo(startedAtMs, nowMs) },
    { title: 'who', cell: ({ actor }) => actor, dropFirst: 2 },
    { title: 'what', cell: ({ kind }) => kind },
    { title: 'route', cell: ({ model, alias }) => (alias === 'production' ? model : `${model}@${alias}`) },
    { title: 'from', cell: ({ fromVersion }) => (fromVersion === null ? '--' : String(fromVersion)), align: 'right' },
    { title: 'to', cell: ({ toVersion }) => String(toVersion), align: 'right' },
    {
      title: 'state',
      cell: (shown) =>
        replaced.has(shown.id) ? pc.dim('replaced') : isOver(shown, routes) ? pc.dim('over') : releaseState(shown),
    },
    {
      title: 'took',
      cell: ({ startedAtMs, endedAtMs }) => formatDuration((endedAtMs ?? nowMs) - startedAtMs),
      align: 'right',
      dropFirst: 3,
    },
    { title: 'why', cell: ({ reason }) => reason ?? '', dropFirst: 1 },
  ];
  return renderTable(columns, releases, output.columns);
}

/** A rehearsal or a canary, of which nothing is left. */
function isOver({ model, alias, state }: Release, routes: ReadonlySet<string>): boolean {
  return state === 'promoted' && !isLabelled(alias) && !routes.has(routeName(model, alias));
}

/** Newest first: of each alias, what was promoted before the newest. */
function replacedReleases(releases: readonly Release[]): Set<number> {
  const seen = new Set<string>();
  const promoted = releases.filter(({ state }) => state === 'promoted');
  const before = promoted.filter(({ model, alias }) => {
    const isBefore = seen.has(`${model}@${alias}`);
    seen.add(`${model}@${alias}`);
    return isBefore;
  });
  return new Set(before.map(({ id }) => id));
}
