// What `mlx up` starts, as a table.
import type { Paths } from '../config/paths.js';
import type { Config } from '../config/schema.js';
import type { Engine, ServiceSpec } from '../engine/engine.js';
import { serviceDataFolder } from '../engine/service-data.js';

/** What the stack asks of an engine. */
export type StackEngine = Pick<
  Engine,
  'kind' | 'listServers' | 'stopServer' | 'startService' | 'stopService' | 'serviceState' | 'logs'
>;

export type StackService = {
  name: ServiceSpec['name'];
  purpose: string;
  /** Why it is not ours to start; undefined when it is. */
  notWanted: (config: Config, environment: NodeJS.ProcessEnv) => string | undefined;
  spec: (config: Config, paths: Paths) => ServiceSpec;
};

export const stackServices: readonly StackService[] = [
  {
    name: 'mlflow',
    purpose: 'runs, params, metrics and artifacts in the browser',
    notWanted: (config, environment) => {
      if (!config.mlflow.enabled) return 'mlflow.enabled is false';
      if (environment['MLFLOW_TRACKING_URI']) return 'MLFLOW_TRACKING_URI names another MLflow';
      return config.mlflow.trackingUri === undefined ? undefined : 'mlflow.tracking_uri names another MLflow';
    },
    spec: (config, paths) => ({
      name: 'mlflow',
      port: config.mlflow.port,
      dataFolder: serviceDataFolder(paths, 'mlflow'),
    }),
  },
];
