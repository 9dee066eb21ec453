// `mlx models ls`: model versions, their aliases and scores. Reads the ledger.
import pc from 'picocolors';

import type { Context } from '../context.js';
import { latestMetrics } from '../ledger/metrics.js';
import type { Ledger } from '../ledger/open.js';
import { listRoutes } from '../ledger/promotions.js';
import { findVersion, listAliases, listVersions, type ModelVersion } from '../ledger/versions.js';
import { formatAgo, formatNumber, formatShare } from '../output/numbers.js';
import { outcome } from '../output/output.js';
import { renderTable, type Column } from '../output/table.js';
import type { CommandModule } from '../program.js';

export const define: CommandModule['define'] = (command) => {
  command.argument('[model]', 'only versions of this model');
  command.addHelpText(
    'after',
    `
Examples:
  mlx models ls
  mlx models ls tickets --json`,
  );
};

export const run: CommandModule['run'] = async (context, [model]) => {
  const ledger = await context.ledger();
  // The usual error, with the nearest names, for a model that does not exist.
  if (model !== undefined) findVersion(ledger, model);
  const models = listVersions(ledger, model).map((version) => listed(ledger, version));
  return outcome({ models }, (value) => renderModels(value.models, context));
};

type ListedVersion = {
  model: string;
  version: number;
  aliases: string[];
  routes: string[];
  run: string;
  digest: string;
  engine: string;
  createdAtMs: number;
  exactMatch: number | null;
  loss: number | null;
};

function listed(ledger: Ledger, version: ModelVersion): ListedVersion {
  const { model, version: number, runId, digest, engine, createdAtMs } = version;
  const metrics = latestMetrics(ledger, runId);
  return {
    model,
    version: number,
    aliases: listAliases(ledger, model)
      .filter((row) => row.version === number)
      .map(({ alias }) => alias),
    routes: listRoutes(ledger)
      .filter((route) => route.model === model && route.version === number)
      .map(({ name }) => name),
    run: runId,
    digest,
    engine,
    createdAtMs,
    exactMatch: metrics['held_out/tuned/exact_match'] ?? null,
    loss: metrics['held_out/tuned/loss'] ?? null,
  };
}

function renderModels(models: ListedVersion[], { now, output }: Context): string {
  if (models.length === 0) return 'There is no model version yet. Make one of a run: mlx package';
  const nowMs = now().getTime();
  const columns: Column<ListedVersion>[] = [
    { title: 'version', cell: ({ model, version }) => `${model}:${version}` },
    { title: 'aliases', cell: ({ aliases }) => aliases.map(aliasText).join(', ') },
    {
      title: 'exact match',
      cell: ({ exactMatch }) => (exactMatch === null ? '' : formatShare(exactMatch)),
      align: 'right',
      dropFirst: 1,
    },
    { title: 'loss', cell: ({ loss }) => (loss === null ? '' : formatNumber(loss)), align: 'right', dropFirst: 2 },
    { title: 'run', cell: ({ run: id }) => id, dropFirst: 3 },
    { title: 'made', cell: ({ createdAtMs }) => formatAgo(createdAtMs, nowMs), dropFirst: 4 },
    { title: 'engine', cell: ({ engine }) => engine, dropFirst: 6 },
    { title: 'digest', cell: ({ digest }) => digest.slice(0, 19), dropFirst: 5 },
  ];
  return renderTable(columns, models, output.columns);
}

function aliasText(alias: string): string {
  return alias === 'production' ? pc.green(alias) : alias;
}
