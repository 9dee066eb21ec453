// Base models on disk: MODELS/ORG/NAME/COMMIT/ with its manifest, and beside it which commit each branch and tag was.
// A folder stands in its final place only when it is complete and checked; until then it is REVISION.partial.
import { readFileSync, statSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';

import { z } from 'zod';

import { writeWhole } from '../config/whole-file.js';
import { errorCode, MlxError, type Problem } from '../errors.js';
import { modelEntries } from '../privacy/model-directory.js';
import { hashFile } from '../store/hash-file.js';

export const manifestName = 'mlx-manifest.json';

const fileSchema = z.object({ path: z.string(), size: z.number(), sha256: z.string(), mtime_ms: z.number() });

const manifestSchema = z.object({
  schema: z.literal(1),
  repository: z.string(),
  commit: z.string(),
  /** `hub ADDRESS`, `made on this machine`, `folder`. */
  source: z.string(),
  folder: z.string().optional(),
  files: z.array(fileSchema).min(1),
});

export type ModelFile = z.infer<typeof fileSchema>;
export type ModelManifest = z.infer<typeof manifestSchema>;

export function repositoryFolder(models: string, repository: string): string {
  return join(models, ...repository.split('/'));
}

export function commitFolder(models: string, repository: string, commit: string): string {
  return join(repositoryFolder(models, repository), commit);
}

/** @returns undefined when there is none, or none that this mlx can read */
export function readManifest(file: string): ModelManifest | undefined {
  try {
    return manifestSchema.safeParse(JSON.parse(readFileSync(file, 'utf8'))).data;
  } catch (error) {
    if (errorCode(error) === 'ENOENT' || errorCode(error) === 'ENOTDIR' || error instanceof SyntaxError)
      return undefined;
    throw error;
  }
}

export function writeManifest(file: string, manifest: ModelManifest): void {
  writeJson(file, manifest);
}

/** Files, their sizes and times as they lie on disk; `knownHashes` saves reading those again. */
export async function describeFiles(
  folder: string,
  knownHashes: ReadonlyMap<string, string>,
  onFile: (path: string) => void,
): Promise<ModelFile[]> {
  const files: ModelFile[] = [];
  for (const { path } of await modelEntries(folder)) {
    if (path === manifestName) continue;
    const { size, mtimeMs } = await stat(join(folder, path));
    const known = knownHashes.get(path);
    if (known === undefined) onFile(path);
    const sha256 = known ?? (await hashFile(join(folder, path)));
    files.push({ path, size, sha256, mtime_ms: Math.floor(mtimeMs) });
  }
  return files;
}

/** By sizes and times alone: true when nothing was touched since. */
export function isUntouched(folder: string, manifest: ModelManifest): boolean {
  return manifest.files.every((file) => {
    const found = statSync(join(folder, file.path), { throwIfNoEntry: false });
    return found !== undefined && found.size === file.size && Math.floor(found.mtimeMs) === file.mtime_ms;
  });
}

/** By content. @returns the problems, and the manifest with the times of today */
export async function compareContent(
  folder: string,
  manifest: ModelManifest,
  onFile: (path: string) => void,
): Promise<{ problems: Problem[]; manifest: ModelManifest }> {
  const files = await describeFiles(folder, new Map(), onFile);
  const problems: Problem[] = [];
  const found = new Map(files.map((file) => [file.path, file]));
  for (const expected of manifest.files) {
    const file = found.get(expected.path);
    if (file === undefined) problems.push({ file: join(folder, expected.path), message: 'is gone' });
    else if (file.sha256 !== expected.sha256) {
      const message = `has SHA-256 ${file.sha256.slice(0, 12)}..., not ${expected.sha256.slice(0, 12)}...`;
      problems.push({ file: join(folder, expected.path), message });
    }
    found.delete(expected.path);
  }
  for (const path of found.keys())
    problems.push({ file: join(folder, path), message: 'was not there when it was pulled' });
  return { problems, manifest: { ...manifest, files } };
}

export function hashMismatch(repository: string, problems: Problem[], hint: string): MlxError {
  const count = problems.length === 1 ? 'A file' : `${problems.length} files`;
  return new MlxError('HASH_MISMATCH', `${count} of ${repository} changed since it was recorded.`, { problems, hint });
}

const refsSchema = z.record(z.string(), z.string());

/** The commit that a branch or tag was when it was last asked for. */
export async function rememberedCommit(
  models: string,
  repository: string,
  revision: string,
): Promise<string | undefined> {
  return (await readRefs(models, repository))[revision];
}

/** Call it under the repository's lock. */
export async function rememberCommit(
  models: string,
  repository: string,
  revision: string,
  commit: string,
): Promise<void> {
  const refs = await readRefs(models, repository);
  writeJson(refsFile(models, repository), { ...refs, [revision]: commit });
}

async function readRefs(models: string, repository: string): Promise<Record<string, string>> {
  try {
    return refsSchema.safeParse(JSON.parse(await readFile(refsFile(models, repository), 'utf8'))).data ?? {};
  } catch (error) {
    if (errorCode(error) === 'ENOENT' || errorCode(error) === 'ENOTDIR' || error instanceof SyntaxError) return {};
    throw error;
  }
}

function refsFile(models: string, repository: string): string {
  return join(repositoryFolder(models, repository), 'refs.json');
}

function writeJson(file: string, value: unknown): void {
  writeWhole(file, `${JSON.stringify(value, null, 2)}\n`, { sync: true });
}
