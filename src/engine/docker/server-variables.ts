// What compose/serve.yaml is filled with for a model server. Pure.
import type { ServerSpec } from '../engine.js';
import { userVariables, type ContainerUser } from './container-user.js';
import { gpuFiles, type DockerGpu } from './gpu.js';
import { composeProject } from './names.js';

export type ServerPlan = {
  projectId: string;
  user: ContainerUser;
  /** The server's own folder, in which its socket appears. */
  socketFolder: string;
  /** Where adapters of other versions appear later, read-only in the container. */
  adapters: string;
  memoryBytes: number;
  gpu: DockerGpu | undefined;
  /** Only where there is a GPU. */
  sleepMode: boolean;
};

export type ServerRun = { project: string; files: string[]; variables: Record<string, string>; args: string[] };

export function serverRun(spec: ServerSpec, plan: ServerPlan): ServerRun {
  return {
    project: composeProject(plan.projectId, spec.id),
    files: ['serve.yaml', ...gpuFiles(plan.gpu)],
    variables: {
      MLX_IMAGE: spec.digest,
      MLX_BASE: spec.baseModel,
      MLX_SOCKETS: plan.socketFolder,
      MLX_ADAPTERS: plan.adapters,
      MLX_MODEL_NAME: spec.model,
      MLX_VERSION: String(spec.version),
      MLX_SERVER: spec.id,
      MLX_PROJECT: plan.projectId,
      MLX_MEMORY: String(plan.memoryBytes),
      MLX_SLEEP_MODE: plan.sleepMode ? '1' : '0',
      ...userVariables(plan.user),
    },
    args: ['up', '--detach', '--no-deps', '--no-build', 'server'],
  };
}
