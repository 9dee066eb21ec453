// Runtime images as they are: what is installed in one (asked inside it, without network), and which nobody uses. Builds nothing.
import { z } from 'zod';

import { MlxError } from '../../errors.js';
import type { OldRuntime, RuntimeDescription, RuntimeName } from '../engine.js';
import { askProgram } from '../exec.js';
import { packageName } from '../package-name.js';
import { answeredStatus, ask, askMaybe } from './connection.js';
import type { DockerEdges } from './edges.js';
import { imageRecipe, type ImageName } from './image-recipes.js';
import { imageId, visibleGpu } from './images.js';
import { label, labelFilters } from './names.js';

const question = `import importlib.metadata, json, platform
found = [(each.name, each.version) for each in importlib.metadata.distributions()]
print(json.dumps({"python": platform.python_version(), "packages": found}))`;

const answerSchema = z.object({ python: z.string(), packages: z.array(z.tuple([z.string(), z.string()])) });

/** @throws MlxError RUNTIME_UNREADABLE, DOCKER_UNREACHABLE */
export async function describeRuntime(
  edges: DockerEdges,
  name: RuntimeName,
  wanted?: string,
): Promise<RuntimeDescription> {
  const gpu = (await visibleGpu(edges)) !== undefined;
  const { reference } = imageRecipe(edges.root, name, { baseImage: edges.config.docker.baseImage, gpu });
  const id = await imageId(edges, wanted ?? reference);
  if (id === undefined) return { reference, id, python: undefined, installed: undefined };
  const { python, packages } = await askImage(edges, reference, id);
  const installed = Object.fromEntries(packages.map(([found, version]) => [packageName(found), version]));
  return { reference, id, python, installed };
}

/** Images that carry our label, but for those of today's inputs; what a container uses stays too. */
export async function oldRuntimes(edges: DockerEdges, keep: readonly string[]): Promise<OldRuntime[]> {
  const gpu = (await visibleGpu(edges)) !== undefined;
  const variant = { baseImage: edges.config.docker.baseImage, gpu };
  const current = names.map((name) => imageRecipe(edges.root, name, variant).reference);
  const images = await ask(edges.connection, (docker) =>
    docker.listImages({ filters: labelFilters({ [label.runtime]: undefined }) }),
  );
  return images
    .filter(({ Id, RepoTags }) => !keep.includes(Id) && !(RepoTags ?? []).some((tag) => current.includes(tag)))
    .filter(({ Labels }) => Labels?.[label.model] === undefined)
    .map(({ Id, Size }) => ({ id: Id, sizeBytes: Size }));
}

const names: readonly ImageName[] = ['packages', 'trainer', 'server', 'mlflow'];

/** One that a container or a model version is made of stays, and so do its layers. */
export async function removeRuntime(edges: DockerEdges, id: string): Promise<void> {
  try {
    await askMaybe(edges.connection, (docker) => docker.getImage(id).remove());
  } catch (error) {
    if (answeredStatus(error) !== 409) throw error;
  }
}

async function askImage(edges: DockerEdges, reference: string, id: string): Promise<z.infer<typeof answerSchema>> {
  const args = ['run', '--rm', '--network', 'none', '--read-only', '--entrypoint', 'python', id, '-I', '-c', question];
  const answer = await askProgram({ file: 'docker', args, environment: edges.connection.environment });
  try {
    return answerSchema.parse(JSON.parse(answer?.stdout ?? ''));
  } catch (error) {
    throw new MlxError('RUNTIME_UNREADABLE', `${reference} does not say which packages it holds.`, {
      cause: error,
      hint: `Take it away, it is built again: docker image rm ${reference}`,
    });
  }
}
