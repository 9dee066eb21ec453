// The runtime images: there already, or built from compose/images and the hashed locks.
import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

import type { OnProgress, Runtime, RuntimeName } from '../engine.js';
import { machineAccess } from './build-access.js';
import { buildImage } from './build.js';
import { askMaybe, engineInformation } from './connection.js';
import { checkRoom } from './disk.js';
import type { DockerEdges } from './edges.js';
import { dockerGpu, type DockerGpu } from './gpu.js';
import { imageRecipe, type ImageName, type ImageRecipe } from './image-recipes.js';
import { label } from './names.js';

/** Disk that a build takes, its cache of packages included. */
const roomGib: Record<ImageName, number> = { packages: 14, trainer: 1, server: 6, mlflow: 3 };

/**
 * Same inputs, same image: nothing is built when it is there. A build that is interrupted leaves no tag.
 * @throws MlxError BUILD_FAILED, DISK_FULL, DOCKER_UNREACHABLE, INTERRUPTED
 */
export async function prepareRuntime(
  edges: DockerEdges,
  name: RuntimeName,
  onProgress: OnProgress,
  signal: AbortSignal,
): Promise<Runtime> {
  const gpu = await visibleGpu(edges);
  const recipe = imageRecipe(edges.root, name, { baseImage: edges.config.docker.baseImage, gpu: gpu !== undefined });
  const id = await ensureImage(edges, recipe, onProgress, signal);
  return { name, id, reference: recipe.reference };
}

/** How this Engine gives a GPU to a container; undefined without one, or when mlx.yaml says off. */
export async function visibleGpu(edges: DockerEdges): Promise<DockerGpu | undefined> {
  if (edges.config.gpu === 'off') return undefined;
  return dockerGpu(await engineInformation(edges.connection));
}

async function ensureImage(
  edges: DockerEdges,
  recipe: ImageRecipe,
  onProgress: OnProgress,
  signal: AbortSignal,
): Promise<string> {
  const present = await imageId(edges, recipe.reference);
  if (present !== undefined) return present;
  if (recipe.parent) await ensureImage(edges, recipe.parent, onProgress, signal);
  await checkRoom(edges.connection, `image ${recipe.reference}`, roomGib[recipe.name]);
  const context = stageContext(edges.root, recipe);
  const build = {
    title: `image ${recipe.name}`,
    dockerfile: join(context, recipe.dockerfile),
    context,
    buildArguments: recipe.buildArguments,
    labels: { [label.runtime]: recipe.name, [label.inputs]: recipe.inputs },
    tag: recipe.reference,
  };
  try {
    const access = await machineAccess(edges.environment, edges.config.docker.certificates);
    return await buildImage(edges.connection, build, access, onProgress, signal);
  } finally {
    rmSync(context, { recursive: true, force: true });
  }
}

/** Buildx would walk through the whole checkout, and stumble over folders that it may not read. */
function stageContext(root: string, recipe: ImageRecipe): string {
  const context = mkdtempSync(join(tmpdir(), 'mlx-context-'));
  for (const file of recipe.files) {
    mkdirSync(dirname(join(context, file)), { recursive: true });
    cpSync(join(root, file), join(context, file));
  }
  return context;
}

export async function imageId(edges: DockerEdges, reference: string): Promise<string | undefined> {
  return (await askMaybe(edges.connection, (docker) => docker.getImage(reference).inspect()))?.Id;
}
