// What compose/mlflow.yaml is filled with. Pure.
import type { ServiceSpec } from '../engine.js';
import { userVariables, type ContainerUser } from './container-user.js';
import { composeProject } from './names.js';

export type ServicePlan = { projectId: string; image: string; user: ContainerUser };

export type ServiceRun = { project: string; files: string[]; variables: Record<string, string>; args: string[] };

/** Generous: MLflow makes its database at the first start, and compiles nothing. */
const healthySeconds = 180;

export function serviceRun(spec: ServiceSpec, plan: ServicePlan): ServiceRun {
  return {
    project: composeProject(plan.projectId, spec.name),
    files: [`${spec.name}.yaml`],
    variables: {
      MLX_MLFLOW_IMAGE: plan.image,
      MLX_MLFLOW_PORT: String(spec.port),
      MLX_MLFLOW_DATA: spec.dataFolder,
      MLX_PROJECT: plan.projectId,
      ...userVariables(plan.user),
    },
    args: ['up', '--detach', '--wait', '--wait-timeout', String(healthySeconds), spec.name],
  };
}
