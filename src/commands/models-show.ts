// `mlx models show`: one model version: where it comes from, how well it did, where it runs. Reads the ledger and the image.
import type { Context } from '../context.js';
import type { VersionImage } from '../engine/engine.js';
import { MlxError } from '../errors.js';
import { latestMetrics, runDatasets } from '../ledger/metrics.js';
import { listRoutes } from '../ledger/promotions.js';
import { findVersion, listAliases, type ModelVersion } from '../ledger/versions.js';
import { formatBytes, formatNumber } from '../output/numbers.js';
import { outcome } from '../output/output.js';
import { renderTable } from '../output/table.js';
import type { CommandModule } from '../program.js';

export const define: CommandModule['define'] = (command) => {
  command.argument('<version>', 'NAME:VERSION, NAME@ALIAS, or NAME for its newest version');
  command.addHelpText(
    'after',
    `
Examples:
  mlx models show tickets:2
  mlx models show tickets@production --json | jq .digest`,
  );
};

export const run: CommandModule['run'] = async (context, [reference = '']) => {
  const ledger = await context.ledger();
  const version = findVersion(ledger, reference);
  const { model, version: number, runId, baseModel, baseCommit, digest, engine, sizeBytes, createdAtMs } = version;
  const metrics = latestMetrics(ledger, runId);
  const image = await findImage(context, version);
  const shown = {
    ...{ model, version: number, digest, engine, sizeBytes, createdAtMs, run: runId, baseModel, baseCommit },
    image: image === undefined ? null : { tags: image.tags, labels: image.labels },
    aliases: listAliases(ledger, model)
      .filter((row) => row.version === number)
      .map(({ alias }) => alias),
    routes: listRoutes(ledger)
      .filter((route) => route.model === model && route.version === number)
      .map(({ name }) => name),
    settings: JSON.parse(version.settings) as Record<string, unknown>,
    scores: { base: scoresOf(metrics, 'base'), tuned: scoresOf(metrics, 'tuned') },
    datasets: runDatasets(ledger, runId),
  };
  return outcome(shown, (value) => renderShown(value, context.output.columns));
};

/** An engine that does not answer today must not hide what the ledger knows. */
async function findImage(context: Context, { model, digest, engine }: ModelVersion): Promise<VersionImage | undefined> {
  try {
    return await (await context.engine(engine)).findVersion(model, digest);
  } catch (error) {
    if (!(error instanceof MlxError)) throw error;
    context.output.note(`The image cannot be looked at now: ${error.message}`);
    return undefined;
  }
}

type Scores = Record<'loss' | 'perplexity' | 'exact_match', number | null>;

function scoresOf(metrics: Record<string, number>, subject: 'base' | 'tuned'): Scores {
  const score = (name: string): number | null => metrics[`held_out/${subject}/${name}`] ?? null;
  return { loss: score('loss'), perplexity: score('perplexity'), exact_match: score('exact_match') };
}

type Shown = {
  model: string;
  version: number;
  digest: string;
  engine: string;
  sizeBytes: number;
  run: string;
  baseModel: string;
  baseCommit: string;
  image: { tags: string[]; labels: Record<string, string> } | null;
  aliases: string[];
  routes: string[];
  scores: { base: Scores; tuned: Scores };
  datasets: { split: string; rows: number; sha256: string }[];
};

function renderShown(shown: Shown, width: number): string {
  const facts = [
    ['version', `${shown.model}:${shown.version}`],
    ['digest', shown.digest],
    ['image', imageText(shown)],
    ['aliases', shown.aliases.join(', ') || 'none'],
    ['served at', shown.routes.join(', ') || 'not served'],
    ['run', shown.run],
    ['base model', `${shown.baseModel} (${shown.baseCommit.slice(0, 12)})`],
    ...shown.datasets.map(({ split, rows, sha256 }) => [split, `${rows} rows, ${sha256.slice(0, 12)}`]),
  ];
  const scores = (['loss', 'perplexity', 'exact_match'] as const).map((name) => ({
    name,
    base: shown.scores.base[name],
    tuned: shown.scores.tuned[name],
  }));
  return [
    facts.map(([name = '', value = '']) => `${name.padEnd(12)}${value}`).join('\n'),
    renderTable(
      [
        { title: 'held-out rows', cell: ({ name }) => name },
        { title: 'base', cell: ({ base }) => figure(base), align: 'right' },
        { title: 'tuned', cell: ({ tuned }) => figure(tuned), align: 'right' },
      ],
      scores,
      width,
    ),
  ].join('\n\n');
}

function imageText({ image, engine, sizeBytes }: Shown): string {
  if (image === null) return `not found with the ${engine} engine`;
  return `${image.tags.join(', ')} (${engine}, ${formatBytes(sizeBytes)})`;
}

function figure(value: number | null): string {
  return value === null ? '--' : formatNumber(value);
}
