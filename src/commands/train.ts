// `mlx train`: recipe -> run. Touches .mlx/runs/ID, the ledger, one job without network, MLflow when it answers.
import { MlxError } from '../errors.js';
import type { Context } from '../context.js';
import { outcome, type Outcome } from '../output/output.js';
import type { CommandModule } from '../program.js';
import { planTraining, renderPlan } from '../training/plan.js';
import { renderRun } from '../training/report.js';
import { summariseRun } from '../training/summary.js';
import { train, type TrainEdges, type TrainRequest } from '../training/train.js';
import { openTrainingView, type TrainingReport } from '../training/view.js';

export const define: CommandModule['define'] = (command) => {
  command
    .argument('[recipe]', 'a recipe by its name or file; none: the only recipe of the project')
    .option('--set <key=value>', 'change a setting of the recipe for this run; may be repeated', collect, [])
    .option('--name <name>', 'what the run id begins with, instead of the name of the recipe')
    .option('--resume <run>', 'go on with a stopped, failed or lost run from its last checkpoint')
    .option('--no-lock', 'leave the lock beside the recipe as it is: for trying things out')
    .option('--detach', 'train in the background; the command ends when training begins')
    .addOption(command.createOption('--adopt <run>', 'train what --detach prepared').hideHelp());
  command.addHelpText(
    'after',
    `
Trains, scores base and tuned model on the held-out rows, and records everything as a run. Without network: what is
missing is downloaded before. Ctrl-C saves a checkpoint. What the recipe resolved to is written to NAME.lock.yaml beside it.
With --json a line of JSON for each event while it runs; the last line is the result.

Examples:
  mlx train
  mlx train tickets --set trainer.learning_rate=1e-3 --set lora.r=32
  mlx train recipes/tickets.yaml --detach
  mlx train --resume tickets-3fa91c
  mlx train tickets --dry-run`,
  );
};

export const run: CommandModule['run'] = async (context, args, flags) => {
  const request = readRequest(args, flags);
  if (context.flags.dryRun) return planned(context, request);
  if (flags['detach'] === true) return detached(context, request);
  const view = openTrainingView(context, request.resume ?? request.adopt ?? request.recipe ?? 'training');
  try {
    return await trained(context, request, view);
  } finally {
    await view.close();
  }
};

async function trained(context: Context, request: TrainRequest, view: TrainingReport): Promise<Outcome> {
  const ended = await train(await openEdges(context, view), request);
  const summary = summariseRun(await context.ledger(), context.paths().runs, ended);
  const status = ended.errorCode === null ? 0 : new MlxError(ended.errorCode, '').exitStatus;
  return outcome(summary, (value) => renderRun(value, context.output.columns), status);
}

async function detached(context: Context, request: TrainRequest): Promise<Outcome> {
  const { trainDetached } = await import('../training/detach.js');
  const view = openTrainingView(context, request.resume ?? request.recipe ?? 'training');
  try {
    const { run: begun, pid, log } = await trainDetached(await openEdges(context, view), request);
    const follow = [`mlx runs logs ${begun.id} -f`, `mlx runs show ${begun.id}`];
    return outcome({ run: begun.id, state: begun.state, pid, log, follow }, ({ run: id }) =>
      [
        `Run ${id} trains in the background (pid ${pid}).`,
        `Follow it   ${follow[0] ?? ''}`,
        `Look at it  ${follow[1] ?? ''}`,
        `Stop it     mlx runs stop ${id}`,
      ].join('\n'),
    );
  } finally {
    await view.close();
  }
}

async function planned(context: Context, request: TrainRequest): Promise<Outcome> {
  await context.config();
  const plan = await planTraining({ paths: context.paths(), ledger: context.ledger }, request);
  return outcome(plan, (value) => renderPlan(value, context.output.columns));
}

async function openEdges(context: Context, view: TrainingReport): Promise<TrainEdges> {
  return {
    paths: context.paths(),
    config: await context.config(),
    environment: context.environment,
    ledger: await context.ledger(),
    engine: context.engine,
    now: context.now,
    signal: context.signal,
    onProgress: view.prepare,
    onBegin: view.begin,
    onEvent: view.update,
    note: view.note,
  };
}

function readRequest(args: string[], flags: Record<string, unknown>): TrainRequest {
  const [recipe] = args;
  const {
    set: overrides,
    name,
    resume,
    adopt,
    lock,
  } = flags as { set: string[]; name?: string; resume?: string; adopt?: string; lock?: boolean };
  if (resume !== undefined && (recipe !== undefined || overrides.length > 0 || name !== undefined)) {
    throw new MlxError('USAGE', 'A resumed run keeps its own recipe and settings.', {
      hint: `Go on with it as it is: mlx train --resume ${resume}`,
    });
  }
  return { recipe, overrides, name: checkedName(name), resume, adopt, lock };
}

/** It becomes a folder and the name of a container. */
function checkedName(name: string | undefined): string | undefined {
  if (name === undefined || /^[a-z0-9][a-z0-9._-]{0,40}$/.test(name)) return name;
  throw new MlxError('USAGE', `'${name}' cannot be the name of a run.`, {
    hint: 'Use lower case letters, digits, dot, dash and underscore; at most 41.',
  });
}

function collect(value: string, before: string[]): string[] {
  return [...before, value];
}
