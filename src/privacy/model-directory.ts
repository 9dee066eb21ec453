// Whether a model folder is safe to load: weights as safetensors, nothing that runs code when it is read.
// Looked at before any Python starts. Pickle-based files run code when loaded (https://docs.python.org/3/library/pickle.html);
// `auto_map` makes transformers import Python from the folder.
import { readdir, readFile, realpath, stat } from 'node:fs/promises';
import { extname, isAbsolute, join, relative, sep } from 'node:path';

import { errorCode, MlxError, type Problem } from '../errors.js';
import { safetensorsProblem } from './safetensors.js';

const refusedEndings: Record<string, string> = {
  '.py': 'is a program',
  '.so': 'is a program',
  '.dll': 'is a program',
  '.dylib': 'is a program',
  '.bin': 'may be a pickle, which runs code when it is loaded',
  '.pt': 'is a pickle, which runs code when it is loaded',
  '.pth': 'is a pickle, which runs code when it is loaded',
  '.pkl': 'is a pickle, which runs code when it is loaded',
  '.pickle': 'is a pickle, which runs code when it is loaded',
  '.ckpt': 'is a pickle, which runs code when it is loaded',
  '.joblib': 'is a pickle, which runs code when it is loaded',
};

/** Keys whose value names Python of the repository to import. */
const codeKeys = ['auto_map', 'custom_pipelines'];

/** @throws MlxError MODEL_UNSAFE with every reason, NOT_FOUND when there is no such folder */
export async function checkModelDirectory(folder: string): Promise<void> {
  const problems = await modelDirectoryProblems(folder);
  if (problems.length === 0) return;
  throw new MlxError('MODEL_UNSAFE', `${folder} is not safe to load.`, {
    problems,
    hint: 'Use a repository or folder that holds safetensors, tokenizer and JSON files only.',
  });
}

async function modelDirectoryProblems(folder: string): Promise<Problem[]> {
  const problems: Problem[] = [];
  let weights = 0;
  for (const entry of await modelEntries(folder)) {
    const add = (message: string): void => void problems.push({ file: entry.path, message });
    const ending = extname(entry.path).toLowerCase();
    const refused = refusedEndings[ending];
    if (entry.kind === 'other') add('is neither a file nor a folder');
    else if (entry.kind === 'outside') add('is a link that leads out of the folder');
    else if (refused !== undefined) add(refused);
    else if (ending === '.safetensors') {
      weights += 1;
      const problem = await safetensorsProblem(join(folder, entry.path));
      if (problem !== undefined) add(problem);
    } else if (ending === '.json') {
      for (const problem of await jsonProblems(folder, entry.path)) add(problem);
    }
  }
  if (weights === 0) problems.push({ file: folder, message: 'has no weights as safetensors' });
  return problems;
}

export type ModelEntry = { path: string; kind: 'file' | 'outside' | 'other' };

/** Files below the folder, links included, sorted; what git and download caches keep for themselves is left out. */
export async function modelEntries(folder: string): Promise<ModelEntry[]> {
  const root = await realFolder(folder);
  const entries: ModelEntry[] = [];
  const walk = async (below: string): Promise<void> => {
    for (const entry of await readdir(join(folder, below), { withFileTypes: true })) {
      const path = join(below, entry.name);
      if (entry.isDirectory() && (entry.name === '.git' || entry.name === '.cache')) continue;
      if (entry.isDirectory()) await walk(path);
      else if (entry.isSymbolicLink()) entries.push({ path, kind: await linkKind(root, join(folder, path)) });
      else entries.push({ path, kind: entry.isFile() ? 'file' : 'other' });
    }
  };
  await walk('');
  return entries.sort((one, other) => (one.path < other.path ? -1 : 1));
}

async function realFolder(folder: string): Promise<string> {
  try {
    return await realpath(folder);
  } catch (error) {
    throw new MlxError('NOT_FOUND', `There is no folder ${folder}.`, {
      cause: error,
      hint: 'Check the path; a base model is a folder with config.json and *.safetensors.',
    });
  }
}

async function linkKind(root: string, path: string): Promise<ModelEntry['kind']> {
  try {
    const target = await realpath(path);
    const inside = relative(root, target);
    if (inside === '..' || inside.startsWith(`..${sep}`) || isAbsolute(inside)) return 'outside';
    return (await stat(target)).isFile() ? 'file' : 'other';
  } catch (error) {
    if (errorCode(error) === 'ENOENT' || errorCode(error) === 'ELOOP') return 'outside';
    throw error;
  }
}

async function jsonProblems(folder: string, path: string): Promise<string[]> {
  let value: unknown;
  try {
    value = JSON.parse(await readFile(join(folder, path), 'utf8'));
  } catch {
    return ['is not JSON'];
  }
  const keys = codeKeys.filter((key) => namesCode(value, key)).map((key) => `names Python to import (${key})`);
  return [...keys, ...shardProblems(value)];
}

/** At any depth. A vocabulary may hold the word as a token, but then its value is a number. */
function namesCode(value: unknown, key: string): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return Object.entries(value).some(
    ([name, inner]) =>
      (name === key && (typeof inner === 'object' || typeof inner === 'string') && inner !== null) ||
      namesCode(inner, key),
  );
}

/** `model.safetensors.index.json` names the files that are read: none may lie elsewhere. */
function shardProblems(value: unknown): string[] {
  if (typeof value !== 'object' || value === null || !('weight_map' in value)) return [];
  const shards = new Set(Object.values(value.weight_map as Record<string, unknown>));
  return [...shards].flatMap((shard) => {
    const named = typeof shard === 'string' ? shard : 'something that is no file name';
    return /^[\w.-]+\.safetensors$/.test(named) ? [] : [`its weight_map names ${named}`];
  });
}
