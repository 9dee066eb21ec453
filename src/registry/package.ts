// A finished run becomes a model version: an image with the adapter, its serving settings and its model card.
// Touches: one image and its vN tag, one row of model_versions.
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative, sep } from 'node:path';

import type { Paths } from '../config/paths.js';
import type { Engine, EngineKind, OnProgress, VersionContents } from '../engine/engine.js';
import { withLock } from '../engine/lock.js';
import { errorMessage, isDiskFull, MlxError } from '../errors.js';
import { runDatasets } from '../ledger/metrics.js';
import type { Ledger } from '../ledger/open.js';
import type { Run } from '../ledger/runs.js';
import { insertVersion, listVersions, nextVersion, versionOfRun, type ModelVersion } from '../ledger/versions.js';
import { hashTrainedWeights } from '../training/adapter.js';
import { runFolder, type RunFolder } from '../training/run-folder.js';
import { modelCard } from './model-card.js';
import { modelOf, servingSettings, type ServingSettings } from './settings.js';

export type PackageEdges = {
  paths: Pick<Paths, 'runs' | 'run' | 'projectId'>;
  ledger: Ledger;
  engine: (kind: EngineKind) => Promise<Engine>;
  now: () => Date;
  signal: AbortSignal;
  onProgress: OnProgress;
};

export type PackageRequest = {
  /** Default: the model that the recipe names. */
  model?: string | undefined;
  /** Another version of a run that has one already. */
  fresh?: boolean;
};

/**
 * The same run gives the same version again. The image is made before the ledger's row, so that a row never names an image
 * that is not there; what an interruption leaves in between is replaced by the next call.
 * @throws MlxError RUN_NOT_FINISHED, ADAPTER_CHANGED, and those of the engine
 */
export async function packageRun(edges: PackageEdges, run: Run, request: PackageRequest = {}): Promise<ModelVersion> {
  requireFinished(run);
  const model = request.model ?? modelOf(edges.ledger, run);
  const lock = join(edges.paths.run, `package-${model}.lock`);
  const onWait = (): void => edges.onProgress(`waiting: another command is packaging a version of ${model}`);
  try {
    return await withLock(lock, () => packageAlone(edges, run, model, request.fresh === true), {
      signal: edges.signal,
      onWait,
    });
  } catch (error) {
    throw isDiskFull(error) ? diskFull(error, model) : error;
  }
}

/** The draft of the image lies on the disk of temporary files; the engine names its own. */
function diskFull(error: unknown, model: string): MlxError {
  const message = `The disk is full (${errorMessage(error)}); no version of ${model} was made.`;
  return new MlxError('DISK_FULL', message, {
    cause: error,
    hint: 'Free some space (mlx doctor shows how much), then run the command again.',
  });
}

/** Under the model's lock: two commands at once would choose the same number. */
async function packageAlone(edges: PackageEdges, run: Run, model: string, fresh: boolean): Promise<ModelVersion> {
  const folder = runFolder(edges.paths.runs, run.id);
  const known = fresh ? undefined : versionOfRun(edges.ledger, run.id, model);
  if (known) return known;
  await requireSameWeights(run, folder);
  const engine = await edges.engine(run.engine);
  const version = nextVersion(edges.ledger, model);
  await dropOrphan(edges, engine, model, version);
  const settings = servingSettings(run, folder.recipe, { model, version });
  const image = await withContents(edges, run, folder, settings, (contents) =>
    engine.packageVersion(contents, edges.onProgress, edges.signal),
  );
  insertVersion(edges.ledger, {
    model,
    version,
    digest: image.digest,
    engine: engine.kind,
    runId: run.id,
    baseModel: run.baseModel,
    baseCommit: run.baseCommit,
    settings: JSON.stringify(settings),
    sizeBytes: image.sizeBytes,
    createdAtMs: edges.now().getTime(),
  });
  return findNewVersion(edges.ledger, model, version);
}

function requireFinished({ id, state }: Run): void {
  if (state === 'finished') return;
  const next = state === 'running' ? `Wait for it: mlx runs logs ${id} -f` : `Finish it: mlx train --resume ${id}`;
  throw new MlxError('RUN_NOT_FINISHED', `Run ${id} is ${state}; only a finished run can be packaged.`, { hint: next });
}

/** What is packaged must be what was scored. */
async function requireSameWeights(run: Run, folder: RunFolder): Promise<void> {
  const { sha256 } = await hashTrainedWeights(folder, outputOf(run));
  if (run.adapterSha256 === null || sha256 === run.adapterSha256) return;
  throw new MlxError('ADAPTER_CHANGED', `The weights of ${run.id} are not those that its run recorded.`, {
    hint: `Something changed ${folder.out}. Train again: mlx train ${run.recipe}`,
  });
}

function outputOf(run: Run): 'adapter' | 'model' {
  return run.method === 'full' ? 'model' : 'adapter';
}

/** A tag of ours that the ledger does not know: an earlier call was interrupted before its row. Nobody was told of that version. */
async function dropOrphan(edges: PackageEdges, engine: Engine, model: string, version: number): Promise<void> {
  const orphan = await engine.findVersion(model, `v${version}`);
  const project = orphan?.labels['mlx.project'];
  if (!orphan || (project !== undefined && project !== edges.paths.projectId)) return;
  await engine.untagVersion(model, `v${version}`);
}

async function withContents<Result>(
  edges: PackageEdges,
  run: Run,
  folder: RunFolder,
  settings: ServingSettings,
  work: (contents: VersionContents) => Promise<Result>,
): Promise<Result> {
  const draft = mkdtempSync(join(tmpdir(), 'mlx-package-'));
  try {
    const settingsFile = join(draft, 'settings.json');
    const cardFile = join(draft, 'model-card.md');
    writeFileSync(settingsFile, `${JSON.stringify(settings, null, 2)}\n`);
    writeFileSync(cardFile, modelCard(edges.ledger, run, settings));
    const files = [
      ...weightFiles(folder, outputOf(run)),
      { path: 'settings.json', source: settingsFile },
      { path: 'model-card.md', source: cardFile },
    ];
    return await work({ model: settings.model, version: settings.version, files, labels: versionLabels(edges, run) });
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
}

/** PEFT's own README is left out: it names folders of this machine, and the model card says more. */
function weightFiles(folder: RunFolder, output: 'adapter' | 'model'): { path: string; source: string }[] {
  const place = output === 'adapter' ? folder.adapter : folder.model;
  return readdirSync(place, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && entry.name !== 'README.md')
    .map((entry) => join(entry.parentPath, entry.name))
    .map((source) => ({ path: `${output}/${relative(place, source).split(sep).join('/')}`, source }))
    .sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** The date is the run's, not that of the build: the same run gives the same digest. */
function versionLabels(edges: PackageEdges, run: Run): Record<string, string> {
  const train = runDatasets(edges.ledger, run.id).find(({ split }) => split === 'train');
  return {
    'mlx.run': run.id,
    'mlx.base_model': run.baseModel,
    'mlx.base_commit': run.baseCommit,
    ...(run.adapterSha256 === null ? {} : { 'mlx.adapter_sha256': run.adapterSha256 }),
    ...(train === undefined ? {} : { 'mlx.dataset_sha256': train.sha256 }),
    'org.opencontainers.image.created': new Date(run.endedAtMs ?? run.startedAtMs).toISOString(),
  };
}

function findNewVersion(ledger: Ledger, model: string, version: number): ModelVersion {
  const found = listVersions(ledger, model).find((candidate) => candidate.version === version);
  if (!found) throw new Error(`${model}:${version} was written and is not there.`);
  return found;
}
