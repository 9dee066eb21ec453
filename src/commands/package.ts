// `mlx package`: a finished run becomes a model version. Touches: one image and its vN tag, one row of the ledger.
import { modelNamePattern, modelNameRule } from '../config/model-name.js';
import type { Context } from '../context.js';
import { MlxError } from '../errors.js';
import { findRun, type Run } from '../ledger/runs.js';
import { nextVersion, versionOfRun, type ModelVersion } from '../ledger/versions.js';
import { formatBytes } from '../output/numbers.js';
import { outcome, type Outcome } from '../output/output.js';
import type { CommandModule } from '../program.js';
import { packageRun } from '../registry/package.js';
import { modelOf } from '../registry/settings.js';
import { openReconciled } from '../training/reconcile.js';

export const define: CommandModule['define'] = (command) => {
  command
    .argument('[run]', 'a run id, its beginning, or latest', 'latest')
    .option('--name <model>', 'the model that it becomes a version of; default: what its recipe names')
    .option('--new', 'another version, also when the run has one already');
  command.addHelpText(
    'after',
    `
The version holds the adapter, its serving settings and its model card; the base model stays in MLX_HOME. Packaging the
same run again gives the same version.

Examples:
  mlx package
  mlx package tickets-3fa91c --name tickets
  mlx package latest --dry-run`,
  );
};

export const run: CommandModule['run'] = async (context, [reference = 'latest'], flags) => {
  const ledger = await openReconciled(context);
  const found = findRun(ledger, reference);
  const { name, new: another } = flags as { name?: string; new?: boolean };
  const model = checkedName(name);
  const fresh = another === true;
  if (context.flags.dryRun) return planned(context, found, model, fresh);
  const { paths, engine, now, signal, output } = context;
  const version = await packageRun(
    {
      paths: paths(),
      ledger,
      engine,
      now,
      signal,
      onProgress: (line) => output.progress({ event: 'progress', line }, line),
    },
    found,
    { model, fresh },
  );
  return outcome({ ...described(version), reference: `${version.model}:${version.version}` }, renderVersion);
};

type Described = Pick<ModelVersion, 'model' | 'version' | 'digest' | 'engine' | 'sizeBytes'> & { run: string };

function described({ model, version, digest, engine, sizeBytes, runId }: ModelVersion): Described {
  return { model, version, digest, engine, sizeBytes, run: runId };
}

async function planned(context: Context, found: Run, name: string | undefined, fresh: boolean): Promise<Outcome> {
  const ledger = await context.ledger();
  const model = name ?? modelOf(ledger, found);
  const known = fresh ? undefined : versionOfRun(ledger, found.id, model);
  const version = known?.version ?? nextVersion(ledger, model);
  const plan = { dryRun: true, run: found.id, state: found.state, model, version, exists: known !== undefined };
  return outcome(plan, () =>
    plan.exists
      ? `${found.id} is ${model}:${version} already; nothing would be made.`
      : `Would make ${model}:${version} of ${found.id} (${found.state}) with the ${found.engine} engine. Nothing was changed.`,
  );
}

function renderVersion(version: Described): string {
  const name = `${version.model}:${version.version}`;
  return [
    `${name} is a model version now: mlx/${version.model}:v${version.version} (${version.engine}, ${formatBytes(version.sizeBytes)}), of run ${version.run}.`,
    `${version.digest}`,
    `Serve it   mlx serve ${name}`,
    `Put it live   mlx promote ${name}`,
  ].join('\n');
}

/** It becomes the name of an image and of a route. */
function checkedName(name: string | undefined): string | undefined {
  if (name === undefined || modelNamePattern.test(name)) return name;
  throw new MlxError('USAGE', `'${name}' cannot be the name of a model.`, {
    hint: `Use ${modelNameRule}.`,
  });
}
