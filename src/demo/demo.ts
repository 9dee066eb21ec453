// Runs the story: every step is the real program started as a person would start it, in a project of its own.
import { existsSync } from 'node:fs';
import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';

import { z } from 'zod';

import { packageRoot, projectPaths, type Paths } from '../config/paths.js';
import { loadConfig } from '../config/load.js';
import type { Context } from '../context.js';
import type { Engine, EngineKind } from '../engine/engine.js';
import { MlxError } from '../errors.js';
import { latestMetrics } from '../ledger/metrics.js';
import { openLedger } from '../ledger/open.js';
import { listVersions } from '../ledger/versions.js';
import type { RunProgram } from './program.js';
import { renderCommand, story, usualModel, type Question, type Step } from './story.js';
import { startClient, type Gateway, type TrafficReport } from './traffic.js';

export type StepReport = { title: string; command: string; durationMs: number; traffic?: TrafficReport };

export type VersionReport = { version: string; runId: string; metrics: Record<string, number>; digest: string };

export type DemoReport = {
  project: string;
  model: string;
  engine: EngineKind;
  durationMs: number;
  steps: StepReport[];
  versions: VersionReport[];
  kept: boolean;
};

export type DemoRequest = { keep: boolean; folder: string; runProgram: RunProgram };

const rowSchema = z.object({ messages: z.array(z.object({ role: z.string(), content: z.string() })) });

type Edges = Pick<Context, 'output' | 'signal' | 'environment' | 'flags' | 'now'>;

/**
 * Makes the project anew in `folder`, tells the story, and stops what it started, also when a step fails.
 * @throws MlxError DEMO_FAILED naming the step
 */
export async function runDemo(edges: Edges, engine: Engine, request: DemoRequest): Promise<DemoReport> {
  const question = await readQuestion();
  const paths = projectPaths(request.folder, edges.environment);
  await clearEarlierDemo(engine, paths, request.runProgram);
  await mkdir(request.folder, { recursive: true });
  const model = await freeModelName(engine);
  const steps = story({ withStack: engine.kind === 'docker', question, model, keep: request.keep });
  const started = edges.now().getTime();
  const reports: StepReport[] = [];
  try {
    for (const [index, step] of steps.entries()) {
      edges.output.note(`\n${index + 1}/${steps.length}  ${step.title}\n$ ${renderCommand(step.argv)}`);
      const report = await runStep(edges, paths, step, { question, model }, request);
      edges.output.progress({ event: 'step_done', ...report });
      reports.push(report);
    }
  } catch (error) {
    await request.runProgram(['down'], request.folder, 'silent');
    throw error;
  }
  const versions = readVersions(paths);
  return {
    project: request.folder,
    model,
    engine: engine.kind,
    durationMs: edges.now().getTime() - started,
    steps: reports,
    versions,
    kept: request.keep,
  };
}

async function runStep(
  edges: Edges,
  paths: Paths,
  step: Step,
  { question, model }: { question: Question; model: string },
  request: DemoRequest,
): Promise<StepReport> {
  const client = step.underTraffic ? startClient(await gatewayOf(edges, paths), model, question) : undefined;
  const started = edges.now().getTime();
  const status = await request.runProgram(step.argv, request.folder, edges.output.json ? 'silent' : 'shown');
  const traffic = await client?.stop();
  const durationMs = edges.now().getTime() - started;
  if (edges.signal.aborted)
    throw new MlxError('INTERRUPTED', 'The demo was stopped.', {
      hint: 'Start it again, from the beginning: mlx demo',
    });
  if (status !== 0) {
    throw new MlxError(
      'DEMO_FAILED',
      `'${renderCommand(step.argv)}' ${status === null ? 'was ended by a signal' : `ended with exit status ${status}`}.`,
      {
        hint: `Look around in ${paths.project} (mlx status, mlx logs), or check the machine: mlx doctor`,
      },
    );
  }
  return {
    title: step.title,
    command: renderCommand(step.argv),
    durationMs,
    ...(traffic === undefined ? {} : { traffic }),
  };
}

/** A repeated demo starts from nothing: what the earlier one still runs is stopped, and its image tags are taken away. */
async function clearEarlierDemo(engine: Engine, paths: Paths, runProgram: RunProgram): Promise<void> {
  if (!existsSync(paths.configFile)) return;
  await runProgram(['down', '--yes', '--delete-data'], paths.project, 'silent');
  if (existsSync(paths.ledgerFile)) await untagVersions(engine, paths);
  await rm(paths.project, { recursive: true, force: true });
}

/** Image names are the machine's: where another project has a model of the usual name, the demo takes the next. */
async function freeModelName(engine: Engine): Promise<string> {
  for (let count = 1; ; count += 1) {
    const name = count === 1 ? usualModel : `${usualModel}-${count}`;
    const taken = await Promise.all(['v1', 'v2', 'production'].map((tag) => engine.findVersion(name, tag)));
    if (taken.every((image) => image === undefined)) return name;
  }
}

async function untagVersions(engine: Engine, paths: Paths): Promise<void> {
  const ledger = openLedger(paths.ledgerFile);
  try {
    for (const { model, version, engine: madeBy } of listVersions(ledger)) {
      if (madeBy !== engine.kind) continue;
      for (const tag of [`v${version}`, 'production', 'previous']) await engine.untagVersion(model, tag);
    }
  } finally {
    ledger.close();
  }
}

function readVersions(paths: Paths): VersionReport[] {
  const ledger = openLedger(paths.ledgerFile);
  try {
    return listVersions(ledger)
      .map(({ model, version, runId, digest }) => ({
        version: `${model}:${version}`,
        runId,
        metrics: latestMetrics(ledger, runId),
        digest,
      }))
      .reverse();
  } finally {
    ledger.close();
  }
}

async function gatewayOf({ environment }: Edges, paths: Paths): Promise<Gateway> {
  const { gateway } = await loadConfig(paths, environment);
  const key = await readFile(join(paths.secrets, 'gateway-key'), 'utf8');
  return { baseUrl: `http://127.0.0.1:${gateway.port}/v1`, key: key.trim() };
}

/** The first held-out row: no version has ever seen it. */
async function readQuestion(): Promise<Question> {
  const rows = await readFile(join(packageRoot(), 'templates', 'demo', 'data', 'tickets-held-out.jsonl'), 'utf8');
  const { messages } = rowSchema.parse(JSON.parse(rows.slice(0, rows.indexOf('\n'))));
  const content = (role: string): string | undefined => messages.find((message) => message.role === role)?.content;
  return { system: content('system'), user: content('user') ?? '', expected: content('assistant') ?? '' };
}
