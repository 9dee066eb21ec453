// `mlx replay`: drift since a lock was written, then the same run again and how far it is away. Touches what a training touches,
// but for the lock; with --check nothing.

import { nearestNames } from '../config/nearest.js';
import type { Context } from '../context.js';
import { MlxError } from '../errors.js';
import { outcome, type Outcome } from '../output/output.js';
import type { CommandModule } from '../program.js';
import { allowableFields, isAllowable } from '../recipe/drift.js';
import type { Lock } from '../recipe/lock.js';
import { openJunit } from '../replay/junit-file.js';
import {
  checkLock,
  refusedReport,
  replay,
  replayStatus,
  type ReplayReport,
  type ReplayWish,
} from '../replay/replay.js';
import { renderPreflight, renderReport } from '../replay/report.js';
import { findLock, projectLocks, type LockSource } from '../replay/source.js';
import type { TrainEdges } from '../training/train.js';
import { openTrainingView, type TrainingReport } from '../training/view.js';

const defaultTolerance = 0.01;

export const define: CommandModule['define'] = (command) => {
  command
    .argument('[lock]', 'a recipe with a lock, a lock file, or a run; none with --check: every lock of the project')
    .option('--check', 'only look what drifted; fetch, build and train nothing')
    .option('--allow <fields>', 'accept drift of these fields or groups, by comma: machine,runtime.packages.numpy')
    .option('--tolerance <number>', 'how far tensors, losses and scores may be away', String(defaultTolerance))
    .option('--junit <file>', 'write the report as JUnit XML too');
  command.addHelpText(
    'after',
    `
Compares what the lock says with today, field by field, before any compute: ok the same, !! drift (exit status 6), -- not known
here, allowed, or without effect. Then trains again as a new run and compares weights, losses and scores: identical,
equivalent within the tolerance, or different (exit status 6). A base model that is missing is fetched by its commit, rows
that changed are taken from .mlx/store. The lock itself is never rewritten. With --json a line of JSON for each event while it trains;
the last line is the result.

Examples:
  mlx replay tickets --check
  mlx replay tickets
  mlx replay tickets-3fa91c                        that run again, whatever its recipe says today
  mlx replay --check --allow machine --junit drift.xml`,
  );
};

export const run: CommandModule['run'] = async (context, [reference], flags) => {
  const wish = readWish(flags);
  const isCheck = flags['check'] === true || context.flags.dryRun;
  const writeReport = reportFile(context, flags['junit']);
  try {
    const reports = isCheck ? await checked(context, reference, wish) : [await replayed(context, reference, wish)];
    writeReport(reports);
    return asOutcome(context, reports);
  } catch (error) {
    // For CI servers, which show a missing report as a success.
    if (error instanceof MlxError) writeReport([refusedReport(reference ?? 'locks', error)]);
    throw error;
  }
};

/** Refused before anything is trained. */
function reportFile({ workingDirectory }: Context, flag: unknown): (reports: ReplayReport[]) => void {
  return typeof flag === 'string' ? openJunit(workingDirectory, flag) : () => undefined;
}

function asOutcome({ output }: Context, reports: ReplayReport[]): Outcome {
  const status = Math.max(0, ...reports.map(replayStatus));
  return outcome(
    { replays: reports },
    ({ replays }) => replays.map((each) => renderReport(each, output.columns)).join('\n\n'),
    status,
  );
}

async function checked(context: Context, reference: string | undefined, wish: ReplayWish): Promise<ReplayReport[]> {
  const references = reference === undefined ? await projectLocks(context.paths()) : [reference];
  if (references.length === 0) throw noLocks();
  const reports: ReplayReport[] = [];
  for (const each of references) {
    try {
      reports.push(await checkedOne(context, each, wish));
    } catch (error) {
      // One that cannot be read keeps nobody from looking at the others, but where it was asked for by its name.
      if (reference !== undefined || !(error instanceof MlxError) || !ofOneLock.has(error.code)) throw error;
      reports.push(refusedReport(each, error));
    }
  }
  return reports;
}

const ofOneLock = new Set(['LOCK_INVALID', 'LOCK_EDITED', 'LOCK_NEWER', 'RECIPE_NOT_FOUND', 'RECIPE_INVALID']);

async function checkedOne(context: Context, reference: string, wish: ReplayWish): Promise<ReplayReport> {
  const source = await findLock({ paths: context.paths(), ledger: context.ledger }, reference);
  return checkLock(await openEdges(context, source.lock), source, wish);
}

async function replayed(context: Context, reference: string | undefined, wish: ReplayWish): Promise<ReplayReport> {
  const source = await onlyLock(context, reference);
  const view = openTrainingView(context, source.lock.recipe.name);
  try {
    const edges = { ...(await openEdges(context, source.lock)), ...(await trainEdges(context, view)) };
    return await replay(edges, source, wish, (report) => {
      // On a terminal the live view takes the screen: the table stands in the result.
      if (context.output.interactive) return;
      context.output.progress({ event: 'preflight', ...report }, renderPreflight(report, context.output.columns));
    });
  } finally {
    await view.close();
  }
}

async function onlyLock(context: Context, reference: string | undefined): Promise<LockSource> {
  const edges = { paths: context.paths(), ledger: context.ledger };
  if (reference !== undefined) return findLock(edges, reference);
  const [first, ...others] = await projectLocks(edges.paths);
  if (first === undefined) throw noLocks();
  if (others.length === 0) return findLock(edges, first);
  throw new MlxError('AMBIGUOUS', `This project has ${others.length + 1} locks: ${[first, ...others].join(', ')}.`, {
    hint: `Name one of them, for example: mlx replay ${first}`,
  });
}

/** On the engine of the lock, unless another one is asked for. */
async function openEdges(
  context: Context,
  { runtime }: Lock,
): Promise<Pick<TrainEdges, 'paths' | 'config' | 'environment' | 'engine' | 'signal' | 'onProgress'>> {
  return {
    paths: context.paths(),
    config: await context.config(),
    environment: context.environment,
    engine: (kind) => context.engine(kind ?? context.flags.engine ?? runtime.engine),
    signal: context.signal,
    onProgress: (line) => context.output.progress({ event: 'prepare', line }, line),
  };
}

async function trainEdges(
  context: Context,
  view: TrainingReport,
): Promise<Pick<TrainEdges, 'ledger' | 'now' | 'onProgress' | 'onBegin' | 'onEvent' | 'note'>> {
  return {
    ledger: await context.ledger(),
    now: context.now,
    onProgress: view.prepare,
    onBegin: view.begin,
    onEvent: view.update,
    note: view.note,
  };
}

function readWish(flags: Record<string, unknown>): ReplayWish {
  const tolerance = Number(flags['tolerance']);
  if (!Number.isFinite(tolerance) || tolerance < 0) {
    throw new MlxError('USAGE', `'${String(flags['tolerance'])}' is no tolerance.`, {
      hint: 'Write a number from 0 on: --tolerance 0.01',
    });
  }
  return { allowed: readAllowed(flags['allow']), tolerance };
}

function readAllowed(flag: unknown): string[] {
  if (typeof flag !== 'string') return [];
  const fields = flag.split(',').map((field) => field.trim());
  for (const field of fields.filter((one) => !isAllowable(one))) {
    const [nearest] = nearestNames(field, allowableFields(), 1);
    throw new MlxError('USAGE', `--allow names no field of a lock: '${field}'.`, {
      hint: `The nearest: ${nearest ?? ''}. See the fields: mlx replay --check`,
    });
  }
  return fields;
}

function noLocks(): MlxError {
  return new MlxError('LOCK_MISSING', 'This project has no lock yet.', {
    hint: 'Write one by training a recipe: mlx train',
  });
}
