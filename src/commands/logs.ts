// `mlx logs`: lines of a service, a model server, the gateway or a run. Reads log files, or asks the engine.
import { existsSync } from 'node:fs';
import { join } from 'node:path';

import { readWholeNumber } from '../config/whole-number.js';
import { followStatus, type Context } from '../context.js';
import { findLogFile } from '../engine/host/logs.js';
import { fileLines, type LineOptions } from '../engine/lines.js';
import { isMlxError, MlxError } from '../errors.js';
import { findRun } from '../ledger/runs.js';
import { findVersion } from '../ledger/versions.js';
import { outcome } from '../output/output.js';
import type { CommandModule } from '../program.js';
import { allEngines, usedEngines } from '../stack/engines.js';
import { findSource, knownSources, type LogSource } from '../stack/logs.js';
import { runFolder } from '../training/run-folder.js';
import { runLines } from '../training/run-lines.js';

const defaultLines = 100;

export const define: CommandModule['define'] = (command) => {
  command
    .argument('[name]', 'mlflow, gateway, a model or model server, a run (its beginning, latest); none: mlflow')
    .option('-f, --follow', 'go on with new lines until Ctrl-C')
    .option('-n, --lines <count>', 'how many of the last lines', String(defaultLines));
  command.addHelpText(
    'after',
    `
Examples:
  mlx logs
  mlx logs gateway -f
  mlx logs tickets@production -n 20
  mlx logs tickets-3fa91c`,
  );
};

export const run: CommandModule['run'] = async (context, args, flags) => {
  const options = {
    follow: flags['follow'] === true,
    lines: readWholeNumber(String(flags['lines']), '--lines', { from: 0, hint: 'For example: mlx logs -n 50' }),
    signal: context.signal,
  };
  const name = await versionNamed(context, args[0] ?? 'mlflow');
  const lines = linesOf(await sourceOf(context, name), options);
  let count = 0;
  for await (const line of lines) {
    count += 1;
    context.output.stream(`${line}\n`);
  }
  return outcome({ event: 'end', name, lines: count }, () => '', followStatus(context.signal));
};

export const endsOnInterrupt: CommandModule['endsOnInterrupt'] = (flags) => flags['follow'] === true;

/** `tickets@production` is the version that the alias names now. */
async function versionNamed(context: Context, name: string): Promise<string> {
  if (!name.includes('@')) return name;
  const { model, version } = findVersion(await context.ledger(), name);
  return `${model}:${version}`;
}

type Source = LogSource | { file: string } | { file: string; hasEnded: () => boolean };

function linesOf(source: Source, options: LineOptions): AsyncIterable<string> {
  if ('hasEnded' in source) return runLines(source.file, { ...options, hasEnded: source.hasEnded });
  return 'file' in source ? fileLines(source.file, options) : source.engine.logs(source.name, options);
}

/** The gateway and runs are files of ours; everything else belongs to an engine, or was left behind by one. */
async function sourceOf(context: Context, name: string): Promise<Source> {
  const paths = context.paths();
  const own = join(paths.run, `${name}.log`);
  if (existsSync(own)) return { file: own };
  if (name === 'latest' || existsSync(runFolder(paths.runs, name).log)) return runSource(context, name);
  const near = await findSource(await usedEngines(context.engine, context.flags.engine), name);
  if (near) return near;
  const left = findLogFile(paths, name);
  if (left !== undefined) return { file: left };
  const engines = await allEngines(context.engine, context.flags.engine);
  const far = await findSource(engines, name);
  if (far) return far;
  try {
    return await runSource(context, name);
  } catch (error) {
    if (!isMlxError(error, 'NOT_FOUND')) throw error;
    throw unknownName(name, await knownSources(engines));
  }
}

/** By id, by the beginning of one, or `latest`, as `mlx runs logs` takes it. */
async function runSource(context: Context, reference: string): Promise<Source> {
  const ledger = await context.ledger();
  const { id } = findRun(ledger, reference);
  const file = runFolder(context.paths().runs, id).log;
  if (existsSync(file)) return { file, hasEnded: () => findRun(ledger, id).state !== 'running' };
  throw new MlxError('NOT_FOUND', `Run ${id} has no log.`, { hint: `See what is known of it: mlx runs show ${id}` });
}

function unknownName(name: string, known: string[]): MlxError {
  return new MlxError('NOT_FOUND', `Nothing called '${name}' runs or ran here.`, {
    hint:
      known.length === 0
        ? 'See runs: mlx runs ls; start MLflow: mlx up'
        : `There are: ${known.join(', ')}. For example: mlx logs ${known[0] ?? ''}`,
  });
}
