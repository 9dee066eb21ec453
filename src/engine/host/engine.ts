// The host engine: jobs and servers as plain processes in virtual environments. Each part is loaded when it is first used.
import { cpus } from 'node:os';

import type { Engine, OnProgress, RuntimeName } from '../engine.js';
import type { EngineSettings } from '../settings.js';
import type { Venv } from './venvs.js';

const never = new AbortController().signal;

export function openHostEngine(settings: EngineSettings): Promise<Engine> {
  const { paths, config, environment } = settings;

  const gpuVisible = async () => config.gpu === 'auto' && (await import('./gpu.js')).seesGpu(environment);
  const venv = async (name: RuntimeName, onProgress: OnProgress, signal: AbortSignal): Promise<Venv> => {
    const { ensureVenv, lockName } = await import('./venvs.js');
    const lock = lockName(name, name === 'server' && (await gpuVisible()));
    return ensureVenv(lock, paths, environment, onProgress, signal);
  };

  return Promise.resolve({
    kind: 'host',
    description: `host (${process.platform} ${process.arch}, ${cpus().length} processors)`,

    prepareRuntime: async (name, onProgress, signal) =>
      (await import('./venvs.js')).venvRuntime(name, await venv(name, onProgress, signal)),

    runJob: async (job, streams) => {
      const { runJob } = await import('./jobs.js');
      return runJob(paths, await venv(job.runtime, streams.onStderr, streams.signal), environment, job, streams);
    },
    stopJob: async (id) => (await import('./jobs.js')).stopJob(paths, id),

    packageVersion: async (contents, onProgress, signal) =>
      (await import('./images.js')).packageVersion(paths.images, contents, onProgress, signal),
    tagVersion: async (model, digest, tag) =>
      (await import('./images.js')).tagVersion(paths.images, model, digest, tag),
    untagVersion: async (model, tag) => (await import('./images.js')).untagVersion(paths.images, model, tag),
    findVersion: async (model, reference) => (await import('./images.js')).findVersion(paths.images, model, reference),

    startServer: async (spec, onProgress) => {
      const { startServer } = await import('./servers.js');
      const gpu = spec.gpu && (await gpuVisible());
      return startServer({ paths, environment, venv: await venv('server', onProgress, never), gpu }, spec, onProgress);
    },
    stopServer: async (id) => (await import('./servers.js')).stopServer(paths, id, config.serving.drainTimeoutMs),
    listServers: async () => (await import('./server-records.js')).listServers(paths),

    startService: async (spec, onProgress, signal) =>
      (await import('./services.js')).startService(
        paths,
        environment,
        () => venv('mlflow', onProgress, signal),
        spec,
        onProgress,
        signal,
      ),
    stopService: async (name, { deleteData }) =>
      (await import('./services.js')).stopService(paths, name, { deleteData }),
    serviceState: async (name) => (await import('./service-records.js')).serviceState(paths, name),

    logs: async function* (name, options) {
      const [{ logFile }, { fileLines }] = await Promise.all([import('./logs.js'), import('../lines.js')]);
      yield* fileLines(logFile(paths, name), options);
    },
  });
}
