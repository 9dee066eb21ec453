// mlx.yaml -> Config: the file, with MLX_* variables over it, checked strictly, converted to camelCase once.
import { existsSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';

import { MlxError } from '../errors.js';
import { dayMs, toMetering } from './metering.js';
import { toRedaction } from './redaction-schema.js';
import type { Paths } from './paths.js';
import { toRouteConfig } from './route-schema.js';
import { configSchema, type Config, type ConfigFile } from './schema.js';
import { environmentOverrides } from './settings.js';
import { toUpstream } from './upstream-schema.js';
import { parseYamlFile, type YamlFile } from './yaml.js';

export async function loadConfig(
  paths: Pick<Paths, 'project' | 'configFile'>,
  environment: NodeJS.ProcessEnv,
): Promise<Config> {
  const { value } = await readConfigFile(paths, environment);
  return toConfig(value, paths.project);
}

/** For what runs outside a project: the defaults, with MLX_* variables over them. @throws MlxError CONFIG_INVALID */
export async function loadDefaults(folder: string, environment: NodeJS.ProcessEnv): Promise<Config> {
  const overrides = environmentOverrides(environment);
  const source = { file: 'MLX_*', shown: 'MLX_*', text: '{}', overrides };
  return toConfig((await parseYamlFile(configSchema, source, 'CONFIG_INVALID')).value, folder);
}

/** @throws MlxError CONFIG_MISSING, CONFIG_INVALID with every problem of the file and of the variables */
export async function readConfigFile(
  paths: Pick<Paths, 'configFile'>,
  environment: NodeJS.ProcessEnv,
): Promise<YamlFile<ConfigFile>> {
  if (!existsSync(paths.configFile)) {
    throw new MlxError('CONFIG_MISSING', `There is no ${paths.configFile}.`, { hint: 'Make a project: mlx init' });
  }
  const overrides = environmentOverrides(environment);
  return parseYamlFile(configSchema, { file: paths.configFile, shown: 'mlx.yaml', overrides }, 'CONFIG_INVALID');
}

/** Paths in mlx.yaml are relative to the project. */
export function toConfig(file: ConfigFile, project: string): Config {
  const { gateway, mlflow, serving, docker } = file;
  const absolute = (path: string): string => (isAbsolute(path) ? path : join(project, path));
  return {
    engine: file.engine,
    gpu: file.gpu,
    gateway: {
      port: gateway.port,
      workers: gateway.workers,
      maxInFlight: gateway.max_in_flight,
      capturesKeptMs: gateway.capture_days * dayMs,
      metering: toMetering(gateway),
      redaction: toRedaction(gateway.redaction),
    },
    upstreams: Object.entries(file.upstreams).map(([name, upstream]) => toUpstream(name, upstream, absolute)),
    routes: Object.entries(file.routes).map(([name, route]) => toRouteConfig(name, route)),
    mlflow: {
      enabled: mlflow.enabled,
      port: mlflow.port,
      trackingUri: mlflow.tracking_uri,
      experiment: mlflow.experiment,
    },
    serving: {
      readyTimeoutMs: serving.ready_timeout_s * 1000,
      maxSlowdown: serving.max_slowdown,
      drainTimeoutMs: serving.drain_timeout_s * 1000,
      maxHoldMs: serving.max_hold_s * 1000,
      keepWarmMs: serving.keep_warm_s * 1000,
      sleepMode: serving.sleep_mode,
    },
    docker: {
      baseImage: docker.base_image,
      memoryGib: docker.memory_gib,
      certificates: docker.certificates === undefined ? undefined : absolute(docker.certificates),
    },
  };
}
