// Which images there are, what each starts from, and the name that its inputs give it: same inputs, same name, no build.
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

import type { RuntimeName } from '../engine.js';

/** `packages` is what trainer and server share; nobody runs it. */
export type ImageName = RuntimeName | 'packages';

export type ImageVariant = { baseImage: string; gpu: boolean };

export type ImageRecipe = {
  name: ImageName;
  /** `mlx/runtime-trainer:3f9a...`: twelve digits of the hash. */
  reference: string;
  /** Hash of all files that the build sees, and of its arguments. */
  inputs: string;
  dockerfile: string;
  /** All that the build sees, the Dockerfile included, relative to the root. */
  files: string[];
  buildArguments: Record<string, string>;
  parent: ImageRecipe | undefined;
};

const parents: Record<ImageName, ImageName | undefined> = {
  packages: undefined,
  trainer: 'packages',
  server: 'packages',
  mlflow: undefined,
};

/** Reads the build's files under `root`; touches no Engine. */
export function imageRecipe(root: string, name: ImageName, variant: ImageVariant): ImageRecipe {
  const parentName = parents[name];
  const parent = parentName && imageRecipe(root, parentName, variant);
  const buildArguments: Record<string, string> = parent
    ? { PACKAGES_IMAGE: parent.reference, VARIANT: variant.gpu ? 'cuda' : 'cpu' }
    : { BASE_IMAGE: variant.baseImage };
  const dockerfile = join('compose', 'images', name, 'Dockerfile');
  const files = [dockerfile, ...contextFiles(root, dockerfile, variant)];
  const inputs = hashInputs(root, files, buildArguments);
  return {
    name,
    reference: `mlx/runtime-${name}:${inputs.slice(0, 12)}`,
    inputs,
    dockerfile,
    files,
    buildArguments,
    parent,
  };
}

/** The files that the Dockerfile's ignore file lets into the build, relative to `root`, sorted. */
export function contextFiles(root: string, dockerfile: string, variant: Pick<ImageVariant, 'gpu'>): string[] {
  const lines = readFileSync(join(root, `${dockerfile}.dockerignore`), 'utf8').split('\n');
  const patterns = lines.filter((line) => line.startsWith('!')).map((line) => line.slice(1).trim());
  const files = patterns.flatMap((pattern) => matchingFiles(root, pattern));
  // The lock of the other variant is allowed in, and read by nobody.
  const other = variant.gpu ? 'server-cpu.txt' : 'server-cuda.txt';
  return [...new Set(files)].filter((file) => !file.endsWith(`/${other}`)).sort();
}

/** A file, a folder, or `folder/start*end`. */
function matchingFiles(root: string, pattern: string): string[] {
  const slash = pattern.lastIndexOf('/');
  const [start = '', end] = pattern.slice(slash + 1).split('*');
  if (end === undefined) return filesBelow(root, pattern);
  const folder = pattern.slice(0, slash);
  return readdirSync(join(root, folder))
    .filter((file) => file.startsWith(start) && file.endsWith(end))
    .map((file) => `${folder}/${file}`);
}

function filesBelow(root: string, path: string): string[] {
  if (!statSync(join(root, path)).isDirectory()) return [path];
  return readdirSync(join(root, path)).flatMap((name) => filesBelow(root, `${path}/${name}`));
}

function hashInputs(root: string, files: string[], buildArguments: Record<string, string>): string {
  const hash = createHash('sha256');
  for (const file of files)
    hash
      .update(`${file}\0`)
      .update(readFileSync(join(root, file)))
      .update('\0');
  return hash.update(JSON.stringify(Object.entries(buildArguments).sort())).digest('hex');
}
