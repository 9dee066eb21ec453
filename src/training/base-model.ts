// The base model of a recipe: found, verified and safety-checked on every use, and fetched or made when it is absent.
// Touches: MLX_HOME/models.
import { createHash } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { dirname, isAbsolute, join, resolve } from 'node:path';

import type { HomePaths } from '../config/paths.js';
import type { Engine, OnProgress } from '../engine/engine.js';
import { withLock } from '../engine/lock.js';
import { ownerPid } from '../engine/owner.js';
import { errorCode, MlxError, type Problem } from '../errors.js';
import { checkModelDirectory, modelEntries } from '../privacy/model-directory.js';
import type { Recipe } from '../recipe/schema.js';
import { demoRepository, demoRevision } from './demo-base.js';
import { fetchModel, makeDemoModel, type BaseModelEdges } from './fetch-model.js';
import { isOffline } from './hub-environment.js';
import {
  commitFolder,
  compareContent,
  describeFiles,
  hashMismatch,
  isUntouched,
  manifestName,
  readManifest,
  rememberCommit,
  rememberedCommit,
  repositoryFolder,
  writeManifest,
  type ModelManifest,
} from './model-store.js';

export type BaseModel = { repository: string; commit: string; folder: string; sizeBytes: number };

/**
 * For a run: uses what is there, by the commit that a branch was last known to be; fetches only what is absent.
 * @throws MlxError HASH_MISMATCH, MODEL_UNSAFE, OFFLINE, NOT_FOUND, MODEL_GATED, DISK_FULL, INTERRUPTED
 */
export async function ensureBaseModel(
  engine: Engine,
  home: HomePaths,
  projectFolder: string,
  baseModel: Recipe['base_model'],
  environment: NodeJS.ProcessEnv,
  onProgress: OnProgress,
  signal: AbortSignal,
): Promise<BaseModel> {
  const edges = { engine: () => Promise.resolve(engine), home, projectFolder, environment, onProgress, signal };
  return obtain(edges, baseModel, { refresh: false, verify: false });
}

/** For `mlx pull`: asks the hub what a branch is today, and mends what was damaged. `verify` reads every byte. */
export async function pullBaseModel(
  edges: BaseModelEdges,
  baseModel: Recipe['base_model'],
  { verify }: { verify: boolean },
): Promise<BaseModel> {
  return obtain(edges, baseModel, { refresh: true, verify });
}

/** Without network and without reading the files: undefined when it is absent or was touched since it was verified. */
export function findBaseModel(home: HomePaths, repository: string, commit: string): BaseModel | undefined {
  const isFolder = isAbsolute(repository);
  const folder = isFolder ? repository : commitFolder(home.models, repository, commit);
  const manifest = readManifest(isFolder ? folderManifest(home, folder) : join(folder, manifestName));
  if (manifest?.commit !== commit || !isUntouched(folder, manifest)) return undefined;
  return asBaseModel(manifest, folder);
}

/** What is there of what a recipe or a person names, by the last known commit; as `findBaseModel`. */
export async function findKnownModel(
  home: HomePaths,
  projectFolder: string,
  baseModel: Recipe['base_model'],
): Promise<BaseModel | undefined> {
  if ('path' in baseModel) {
    const folder = resolve(projectFolder, baseModel.path);
    return findBaseModel(home, folder, readManifest(folderManifest(home, folder))?.commit ?? '');
  }
  const { repository, revision } = byRevision(baseModel);
  const commit = await rememberedCommit(home.models, repository, revision);
  return findBaseModel(home, repository, commit ?? revision);
}

type Wanted = { repository: string; revision: string };
type Care = { refresh: boolean; verify: boolean };

async function obtain(edges: BaseModelEdges, baseModel: Recipe['base_model'], care: Care): Promise<BaseModel> {
  if ('path' in baseModel) return folderModel(edges, resolve(edges.projectFolder, baseModel.path), care.verify);
  const wanted = byRevision(baseModel);
  const present = await findPresent(edges, wanted, care);
  if (present !== undefined && 'commit' in present) return present;
  if (present !== undefined && !care.refresh) throw damaged(wanted, present.problems);
  const onWait = (holder: string): void => {
    edges.onProgress(`waiting for process ${ownerPid(holder)}, which is fetching ${wanted.repository}`);
  };
  const lock = join(repositoryFolder(edges.home.models, wanted.repository), '.lock');
  return named(edges, () => withLock(lock, () => obtainAlone(edges, wanted, care), { signal: edges.signal, onWait }));
}

/** The demo's model has no branches: main is what this mlx makes. */
function byRevision(wanted: Wanted): Wanted {
  const isDemo = wanted.repository === demoRepository && wanted.revision === 'main';
  return isDemo ? { repository: demoRepository, revision: demoRevision() } : wanted;
}

/** Under the repository's lock: another process may have brought it meanwhile. */
async function obtainAlone(edges: BaseModelEdges, wanted: Wanted, care: Care): Promise<BaseModel> {
  const partial = partialFolder(edges.home, wanted);
  const present = await findPresent(edges, wanted, care);
  if (present !== undefined && 'commit' in present) return present;
  if (present !== undefined) {
    if (!care.refresh) throw damaged(wanted, present.problems);
    for (const problem of present.problems) edges.onProgress(`${problem.file} ${problem.message}: fetching it again`);
    await rm(partial, { recursive: true, force: true });
    await rename(present.folder, partial);
  }
  if (wanted.repository === demoRepository) return makeDemo(edges, wanted, partial);
  if (isOffline(edges.environment)) throw offline(wanted);
  return download(edges, wanted, partial, care);
}

type Damaged = { folder: string; problems: Problem[] };

async function findPresent(
  edges: BaseModelEdges,
  wanted: Wanted,
  care: Care,
): Promise<BaseModel | Damaged | undefined> {
  const { models } = edges.home;
  const isCommit = /^[0-9a-f]{40}$/.test(wanted.revision);
  if (care.refresh && !isCommit && !isOffline(edges.environment)) return undefined;
  const commit = isCommit ? wanted.revision : await rememberedCommit(models, wanted.repository, wanted.revision);
  if (commit === undefined) return undefined;
  return verifiedModel(edges, commitFolder(models, wanted.repository, commit), care.verify);
}

async function verifiedModel(
  edges: BaseModelEdges,
  folder: string,
  verify: boolean,
): Promise<BaseModel | Damaged | undefined> {
  const manifest = readManifest(join(folder, manifestName));
  if (manifest === undefined) return undefined;
  await checkModelDirectory(folder);
  if (!verify && (await hasSameFiles(folder, manifest))) return asBaseModel(manifest, folder);
  const compared = await compareContent(folder, manifest, (path) => edges.onProgress(`verifying ${path}`));
  if (compared.problems.length > 0) return { folder, problems: compared.problems };
  remember(edges, join(folder, manifestName), compared.manifest);
  return asBaseModel(manifest, folder);
}

async function hasSameFiles(folder: string, manifest: ModelManifest): Promise<boolean> {
  const paths = (await modelEntries(folder)).map((entry) => entry.path).filter((path) => path !== manifestName);
  return paths.length === manifest.files.length && isUntouched(folder, manifest);
}

async function download(edges: BaseModelEdges, wanted: Wanted, partial: string, care: Care): Promise<BaseModel> {
  const { models } = edges.home;
  const { repository, revision } = wanted;
  const folderOf = (commit: string): string => commitFolder(models, repository, commit);
  const fetched = await fetchModel(edges, { ...wanted, partial }, (commit) => isInstalled(folderOf(commit)));
  const { commit, files } = fetched;
  if (files === undefined) {
    await rememberCommit(models, repository, revision, commit);
    const present = await findPresent(edges, { repository, revision: commit }, care);
    if (present !== undefined && 'commit' in present) return present;
    return obtainAlone(edges, { repository, revision: commit }, care);
  }
  const source = `hub ${hubOrigin(edges.environment)}`;
  const hashes = new Map(files.map((file) => [file.path, file.sha256]));
  const model = await install({ repository, commit, source }, partial, folderOf(commit), hashes);
  await rememberCommit(models, repository, revision, commit);
  return model;
}

/** A folder without a manifest that can be read is none: it is fetched again. */
function isInstalled(folder: string): boolean {
  return readManifest(join(folder, manifestName)) !== undefined;
}

/** The address of a mirror may hold a user and a password, which belong in no file. */
function hubOrigin({ HF_ENDPOINT: endpoint }: NodeJS.ProcessEnv): string {
  return endpoint !== undefined && URL.canParse(endpoint) ? new URL(endpoint).origin : 'https://huggingface.co';
}

async function makeDemo(edges: BaseModelEdges, wanted: Wanted, partial: string): Promise<BaseModel> {
  const { repository, revision: commit } = wanted;
  if (commit !== demoRevision()) {
    throw new MlxError(
      'NOT_FOUND',
      `${repository} at ${commit} is not on this machine, and this mlx makes another one.`,
      {
        hint: `Use the one of today: --set base_model.revision=main`,
      },
    );
  }
  await makeDemoModel(edges, partial);
  const folder = commitFolder(edges.home.models, repository, commit);
  return install({ repository, commit, source: 'made on this machine' }, partial, folder, new Map());
}

/** Checked first, then moved: whoever looks sees a whole model or none. */
async function install(
  origin: Pick<ModelManifest, 'repository' | 'commit' | 'source'>,
  partial: string,
  folder: string,
  knownHashes: ReadonlyMap<string, string>,
): Promise<BaseModel> {
  try {
    await checkModelDirectory(partial);
  } catch (error) {
    await rm(partial, { recursive: true, force: true });
    throw error;
  }
  const files = await describeFiles(partial, knownHashes, () => undefined);
  const manifest: ModelManifest = { schema: 1, ...origin, files };
  writeManifest(join(partial, manifestName), manifest);
  await rm(folder, { recursive: true, force: true });
  await rename(partial, folder);
  return asBaseModel(manifest, folder);
}

/** A folder of the person's own, used in place: its commit is the hash of its files, and changes with them. */
async function folderModel(edges: BaseModelEdges, folder: string, verify: boolean): Promise<BaseModel> {
  await checkModelDirectory(folder);
  const manifestFile = folderManifest(edges.home, folder);
  const known = readManifest(manifestFile);
  if (known !== undefined && !verify && (await hasSameFiles(folder, known))) return asBaseModel(known, folder);
  const files = await describeFiles(folder, new Map(), (path) => edges.onProgress(`hashing ${path}`));
  const lines = files.map((file) => `${file.sha256}  ${file.path}\n`).join('');
  const commit = createHash('sha256').update(lines).digest('hex').slice(0, 40);
  const manifest: ModelManifest = { schema: 1, repository: folder, commit, source: 'folder', folder, files };
  remember(edges, manifestFile, manifest);
  return asBaseModel(manifest, folder);
}

/** What was verified is as good in a home that may only be read: there it is verified again each time. */
function remember(edges: BaseModelEdges, file: string, manifest: ModelManifest): void {
  try {
    mkdirSync(dirname(file), { recursive: true });
    writeManifest(file, manifest);
  } catch (error) {
    if (!isNotWritable(error)) throw error;
    edges.onProgress(`${edges.home.home} may not be written to: the model will be verified again next time`);
  }
}

function isNotWritable(error: unknown): boolean {
  return ['EACCES', 'EROFS', 'EPERM', 'ENOTDIR'].includes(errorCode(error) ?? '');
}

export function folderManifest(home: HomePaths, folder: string): string {
  const name = createHash('sha256').update(folder).digest('hex').slice(0, 16);
  return join(home.models, '.folders', `${name}.json`);
}

function partialFolder(home: HomePaths, wanted: Wanted): string {
  const name = wanted.revision.replaceAll(/[^\w.-]/g, '_');
  return join(repositoryFolder(home.models, wanted.repository), `${name}.partial`);
}

function asBaseModel(manifest: ModelManifest, folder: string): BaseModel {
  const sizeBytes = manifest.files.reduce((sum, file) => sum + file.size, 0);
  return { repository: manifest.repository, commit: manifest.commit, folder, sizeBytes };
}

function damaged({ repository, revision }: Wanted, problems: Problem[]): MlxError {
  return hashMismatch(repository, problems, `Fetch what is damaged again: mlx pull ${repository}@${revision}`);
}

function offline({ repository, revision }: Wanted): MlxError {
  return new MlxError(
    'OFFLINE',
    `${repository} at ${revision} is not on this machine, and HF_HUB_OFFLINE forbids to fetch it.`,
    {
      hint: 'Unset HF_HUB_OFFLINE once, or copy its folder from a machine that has it (MLX_HOME/models).',
    },
  );
}

/** What a Ctrl-C while waiting and a home that refuses new files mean here. */
async function named<Result>({ signal, home }: BaseModelEdges, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof MlxError) throw error;
    if (signal.aborted) {
      throw new MlxError('INTERRUPTED', 'Stopped while waiting for the base model.', {
        cause: error,
        hint: 'Repeat the command: what has arrived is kept.',
      });
    }
    if (!isNotWritable(error)) throw error;
    throw new MlxError('HOME_NOT_WRITABLE', `${home.home} may not be written to (${errorCode(error)}).`, {
      cause: error,
      hint: 'Set MLX_HOME to a folder of your own.',
    });
  }
}
