// Jobs as child processes: sealed where the system permits, dead when mlx is dead, and written down so that leftovers can be ended.
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { Paths } from '../../config/paths.js';
import { MlxError } from '../../errors.js';
import { placeMounts } from '../argv.js';
import { checkpointGraceMs, type Job, type JobExit, type JobStreams } from '../engine.js';
import { runProgram } from '../exec.js';
import { endGroup, markVariable } from '../group.js';
import { ownerIsAlive, ownerOf, ownerPid } from '../owner.js';
import { programEnvironment } from './environment.js';
import { countOomKills } from './out-of-memory.js';
import { jobRecord, readRecord, removeRecord, writeRecord } from './records.js';
import { scriptFile } from './script.js';
import { sealPlan, type SealPlan } from './seal.js';
import type { Venv } from './venvs.js';

const leftoverGraceMs = 30_000;

/** @throws MlxError BUSY when a job of this id still runs, PROGRAM_MISSING */
export async function runJob(
  paths: Paths,
  venv: Venv,
  own: NodeJS.ProcessEnv,
  job: Job,
  streams: JobStreams,
): Promise<JobExit> {
  const record = jobFile(paths, job.id);
  refuseSecond(record, job.id);
  const plan = await sealPlan(own);
  const placed = placeMounts(job, (mount) => mount.source);
  const [file = '', ...args] = jobProgram(job, placed.argv, venv.python, plan);
  const around = { own, venv: venv.folder, network: job.network, gpu: job.gpu };
  const environment = { ...programEnvironment(around, placed.environment), [markVariable]: job.id };
  const killedBefore = countOomKills();
  try {
    const exit = await runProgram(
      { file, args, environment, folder: tmpdir() },
      {
        ...streams,
        graceMs: checkpointGraceMs,
        ownGroup: true,
        onStart: (pid) => writeRecord(record, { id: job.id, owner: ownerOf(pid) ?? '0' }),
      },
    );
    const killed = exit.signal === 'SIGKILL' && !streams.signal.aborted;
    return { ...exit, outOfMemory: killed && countOomKills() > killedBefore, seal: sealOf(job, plan) };
  } finally {
    removeRecord(record);
  }
}

/** Ends a job whose mlx died without it. */
export async function stopJob(paths: Paths, id: string): Promise<boolean> {
  const file = jobFile(paths, id);
  const found = readRecord(file, jobRecord);
  if (!found) return false;
  const ended = await endGroup(found.owner, id, leftoverGraceMs);
  removeRecord(file);
  return ended;
}

/** The first word of a job is a script of recipes/trainer. */
function jobProgram(job: Job, argv: string[], python: string, plan: SealPlan): string[] {
  const [script = '', ...args] = argv;
  const network = job.network === 'none' ? plan.network : [];
  return [...network, ...plan.life, python, scriptFile(script), ...args];
}

function sealOf(job: Job, plan: SealPlan): JobExit['seal'] {
  return job.network === 'none' ? plan.seal : 'none';
}

function refuseSecond(record: string, id: string): void {
  const present = readRecord(record, jobRecord);
  if (!present || !ownerIsAlive(present.owner)) return;
  throw new MlxError('BUSY', `${id} runs already (process ${ownerPid(present.owner)}).`, {
    hint: 'Wait for it, or see what runs: mlx status',
  });
}

function jobFile(paths: Paths, id: string): string {
  return join(paths.run, 'jobs', `${id}.json`);
}
