// The host engine: jobs and servers as plain processes in virtual environments. What only reads is at hand;
// each part that does something is loaded when it is first used.
import { cpus } from 'node:os';

import { MlxError } from '../../errors.js';
import type { Engine, OnProgress, RuntimeName, ServerSpec } from '../engine.js';
import type { EngineSettings } from '../settings.js';
import { listServers } from './server-records.js';
import { serviceState } from './service-records.js';
import type { Venv } from './venvs.js';

type HostEdges = EngineSettings & {
  gpuVisible: () => Promise<boolean>;
  venv: (name: RuntimeName, onProgress: OnProgress, signal: AbortSignal) => Promise<Venv>;
};

export function openHostEngine(settings: EngineSettings): Promise<Engine> {
  const edges = { ...settings, ...environments(settings) };
  return Promise.resolve({
    kind: 'host',
    description: `host (${process.platform} ${process.arch}, ${cpus().length} processors)`,
    prepareRuntime: async (name, onProgress, signal) => {
      const { venvRuntime } = await import('./venvs.js');
      return venvRuntime(name, await edges.venv(name, onProgress, signal));
    },
    describeRuntime: async (name, id) => {
      const { describeVenv, lockName } = await import('./venvs.js');
      const lock = lockName(name, name === 'server' && (await edges.gpuVisible()));
      return describeVenv(lock, settings.paths, settings.environment, id);
    },
    oldRuntimes: async (keep) => (await import('./old-venvs.js')).oldVenvs(settings.paths, keep),
    removeRuntime: async (id) => (await import('./old-venvs.js')).removeVenv(settings.paths, id),
    ...jobs(edges),
    ...images(edges),
    ...servers(edges),
    ...services(edges),
    logs: async function* (name, options) {
      const [{ logFile }, { fileLines }] = await Promise.all([import('./logs.js'), import('../lines.js')]);
      yield* fileLines(logFile(settings.paths, name), options);
    },
  });
}

function environments({ paths, config, environment }: EngineSettings): Pick<HostEdges, 'gpuVisible' | 'venv'> {
  const gpuVisible = async () => config.gpu === 'auto' && (await import('../gpu.js')).seesGpu(environment);
  return {
    gpuVisible,
    venv: async (name, onProgress, signal) => {
      const { ensureVenv, lockName } = await import('./venvs.js');
      const lock = lockName(name, name === 'server' && (await gpuVisible()));
      return ensureVenv(lock, paths, environment, onProgress, signal);
    },
  };
}

function jobs({ paths, environment, venv }: HostEdges): Pick<Engine, 'runJob' | 'stopJob'> {
  return {
    runJob: async (job, streams) => {
      const [{ runJob }, { requireVenv }] = await Promise.all([import('./jobs.js'), import('./venvs.js')]);
      const used =
        job.runtimeId === undefined
          ? await venv(job.runtime, streams.onStderr, streams.signal)
          : requireVenv(paths, job.runtimeId, job.runtime);
      return runJob(paths, used, environment, job, streams);
    },
    stopJob: async (id) => (await import('./jobs.js')).stopJob(paths, id),
  };
}

function images({ paths }: HostEdges): Pick<Engine, 'packageVersion' | 'tagVersion' | 'untagVersion' | 'findVersion'> {
  const load = () => import('./images.js');
  return {
    packageVersion: async (contents, onProgress, signal) =>
      (await load()).packageVersion(paths.images, contents, onProgress, signal),
    tagVersion: async (model, digest, tag) => (await load()).tagVersion(paths.images, model, digest, tag),
    untagVersion: async (model, tag) => (await load()).untagVersion(paths.images, model, tag),
    findVersion: async (model, reference) => (await load()).findVersion(paths.images, model, reference),
  };
}

function servers(
  edges: HostEdges,
): Pick<Engine, 'startServer' | 'stopServer' | 'setRestart' | 'swapObstacle' | 'listServers' | 'measureServer'> {
  const { paths, config, environment } = edges;
  return {
    startServer: async (spec, onProgress, signal) => {
      const { startServer } = await import('./servers.js');
      const venv = await serverVenv(edges, spec, onProgress, signal);
      const gpu = spec.gpu && (await edges.gpuVisible());
      const { sleepMode } = config.serving;
      return startServer({ paths, environment, venv, gpu, sleepMode }, spec, onProgress);
    },
    stopServer: async (id) => (await import('./servers.js')).stopServer(paths, id, config.serving.drainTimeoutMs),
    // Processes never do; the gateway starts again those that have a route (registry/revive.ts).
    setRestart: async () => undefined,
    swapObstacle: async () =>
      'the servers of the host engine take their adapter when they start, and no other one later',
    listServers: async () => listServers(paths),
    measureServer: async (id) => {
      const { measureServer } = await import('./measure.js');
      return measureServer({ paths, environment, gpu: config.gpu !== 'off' && (await edges.gpuVisible()) }, id);
    },
  };
}

/** Its first use installs up to 20 GB: Ctrl-C ends that, too. */
async function serverVenv(
  edges: HostEdges,
  { model, version }: ServerSpec,
  onProgress: OnProgress,
  signal: AbortSignal,
): Promise<Venv> {
  try {
    signal.throwIfAborted();
    return await edges.venv('server', onProgress, signal);
  } catch (error) {
    if (!signal.aborted || error instanceof MlxError) throw error;
    throw new MlxError('INTERRUPTED', `Stopped before a server of ${model}:${version} was started.`, {
      cause: error,
      hint: 'Repeat the command when you like; nothing has changed.',
    });
  }
}

function services({
  paths,
  environment,
  venv,
}: HostEdges): Pick<Engine, 'startService' | 'stopService' | 'serviceState'> {
  return {
    startService: async (spec, onProgress, signal) => {
      const { startService } = await import('./services.js');
      return startService(
        { paths, environment, venv: () => venv('mlflow', onProgress, signal), onProgress, signal },
        spec,
      );
    },
    stopService: async (name, options) => (await import('./services.js')).stopService(paths, name, options),
    serviceState: (name) => serviceState(paths, name),
  };
}
