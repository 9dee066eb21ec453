// What is installed in a runtime image: asked inside the image, without network. Builds nothing.
import { z } from 'zod';

import { MlxError } from '../../errors.js';
import type { RuntimeDescription, RuntimeName } from '../engine.js';
import { askProgram } from '../exec.js';
import { packageName } from '../package-name.js';
import type { DockerEdges } from './edges.js';
import { imageRecipe } from './image-recipes.js';
import { imageId, visibleGpu } from './images.js';

const question = `import importlib.metadata, json, platform
found = [(each.name, each.version) for each in importlib.metadata.distributions()]
print(json.dumps({"python": platform.python_version(), "packages": found}))`;

const answerSchema = z.object({ python: z.string(), packages: z.array(z.tuple([z.string(), z.string()])) });

/** @throws MlxError RUNTIME_UNREADABLE, DOCKER_UNREACHABLE */
export async function describeRuntime(edges: DockerEdges, name: RuntimeName): Promise<RuntimeDescription> {
  const gpu = (await visibleGpu(edges)) !== undefined;
  const { reference } = imageRecipe(edges.root, name, { baseImage: edges.config.docker.baseImage, gpu });
  const id = await imageId(edges, reference);
  if (id === undefined) return { reference, id, python: undefined, installed: undefined };
  const { python, packages } = await askImage(edges, reference, id);
  const installed = Object.fromEntries(packages.map(([found, version]) => [packageName(found), version]));
  return { reference, id, python, installed };
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
