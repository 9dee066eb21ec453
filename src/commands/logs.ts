// `mlx logs`: lines of a service, a model server, the gateway or a run. Reads log files, or asks the engine.
import { existsSync } from 'node:fs';
import { join } from 'node:path';

import type { Context } from '../context.js';
import { findLogFile } from '../engine/host/logs.js';
import { fileLines } from '../engine/lines.js';
import { MlxError } from '../errors.js';
import { outcome } from '../output/output.js';
import type { CommandModule } from '../program.js';
import { allEngines, usedEngines } from '../stack/engines.js';
import { findSource, knownSources, type LogSource } from '../stack/logs.js';

const defaultLines = 100;

export const define: CommandModule['define'] = (command) => {
  command
    .argument('[name]', 'mlflow, gateway, a model or model server, or a run; none: mlflow')
    .option('-f, --follow', 'go on with new lines until Ctrl-C')
    .option('-n, --lines <count>', 'how many of the last lines', String(defaultLines));
  command.addHelpText(
    'after',
    `
Examples:
  mlx logs
  mlx logs gateway -f
  mlx logs tickets -n 20
  mlx logs tickets-3fa91c`,
  );
};

export const run: CommandModule['run'] = async (context, args, flags) => {
  const options = { follow: flags['follow'] === true, lines: readCount(flags['lines']), signal: context.signal };
  const name = args[0] ?? 'mlflow';
  const source = await sourceOf(context, name);
  const lines = 'file' in source ? fileLines(source.file, options) : source.engine.logs(source.name, options);
  let count = 0;
  for await (const line of lines) {
    count += 1;
    context.output.stream(`${line}\n`);
  }
  return outcome({ event: 'end', name, lines: count }, () => '');
};

/** The gateway and runs are files of ours; everything else belongs to an engine, or was left behind by one. */
async function sourceOf(context: Context, name: string): Promise<LogSource | { file: string }> {
  const paths = context.paths();
  const own = [join(paths.run, `${name}.log`), join(paths.runs, name, 'trainer.log')].find((file) => existsSync(file));
  if (own !== undefined) return { file: own };
  const near = await findSource(await usedEngines(context.engine, context.flags.engine), name);
  if (near) return near;
  const left = findLogFile(paths, name);
  if (left !== undefined) return { file: left };
  const engines = await allEngines(context.engine, context.flags.engine);
  const far = await findSource(engines, name);
  if (far) return far;
  throw unknownName(name, await knownSources(engines));
}

function unknownName(name: string, known: string[]): MlxError {
  return new MlxError('NOT_FOUND', `Nothing called '${name}' runs or ran here.`, {
    hint: known.length === 0 ? 'See runs: mlx runs ls; start MLflow: mlx up' : `There are: ${known.join(', ')}`,
  });
}

function readCount(value: unknown): number {
  if (typeof value === 'string' && /^\d+$/.test(value)) return Number(value);
  throw new MlxError('USAGE', `'${String(value)}' is no number of lines.`, { hint: 'For example: mlx logs -n 50' });
}
