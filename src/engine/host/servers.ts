// Model servers as processes of their own, without network, each behind a unix socket. They outlive the mlx that started them.
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { Paths } from '../../config/paths.js';
import { startDetached } from '../detached.js';
import type { ModelServer, OnProgress, ServerSpec } from '../engine.js';
import { endGroup } from '../group.js';
import { requirePrivateFolder } from '../private-folder.js';
import { programEnvironment } from './environment.js';
import { removeRecord, writeRecord } from './records.js';
import { loopbackWords, sealPlan } from './seal.js';
import { transformersArgs, vllmArgs, vllmEnvironment, type Served } from './server-program.js';
import { findServerRecord, modelServer, serverFile, serverFolder, serverLog } from './server-records.js';
import { unpackVersion } from './unpack.js';
import type { Venv } from './venvs.js';

const keptLogs = 10;
/** sockaddr_un holds 108 bytes on Linux and 104 on macOS, with the zero at the end. */
const longestSocket = 103;

export type ServerEdges = {
  paths: Paths;
  environment: NodeJS.ProcessEnv;
  venv: Venv;
  gpu: boolean;
  sleepMode: boolean;
};

/** Returns as soon as the process is started. @throws MlxError IMAGE_CORRUPT, PROGRAM_MISSING, UNSAFE_FOLDER */
export async function startServer(edges: ServerEdges, spec: ServerSpec, onProgress: OnProgress): Promise<ModelServer> {
  const { paths, environment, venv, gpu, sleepMode } = edges;
  const version = await unpackVersion(paths.images, spec.digest);
  const served = servedParts(version, spec);
  const socket = socketFile(paths, spec.id);
  const plan = await sealPlan(environment);
  const args = gpu ? vllmArgs(spec, served, socket, sleepMode) : transformersArgs(spec, served, socket);
  // vLLM's own parts talk over the loopback, which a new namespace has, but switched off.
  const network = gpu ? [...plan.network, ...loopbackWords(plan, venv.python)] : plan.network;
  const [file = '', ...rest] = [...network, venv.python, ...args];
  const around = { own: environment, venv: venv.folder, network: 'none' as const, gpu };
  onProgress(`starting ${spec.model}:${spec.version} with ${gpu ? 'vLLM' : "transformers' server"}`);
  pruneLogs(serverFolder(paths));
  const record = { ...spec, socket, venv: venv.folder, startedAtMs: Date.now() };
  const owner = await startDetached(
    {
      file,
      args: rest,
      environment: programEnvironment(around, gpu ? vllmEnvironment(sleepMode) : {}),
      folder: tmpdir(),
      mark: spec.id,
      logFile: serverLog(paths, spec.id),
    },
    (started) => writeRecord(serverFile(paths, spec.id), { ...recordFields(record), owner: started }),
  );
  return modelServer({ ...recordFields(record), owner }, true);
}

/** SIGTERM lets it finish its open answers. Nothing of it is left but its log. */
export async function stopServer(paths: Paths, id: string, graceMs: number): Promise<void> {
  const record = findServerRecord(paths, id);
  if (!record) return;
  await endGroup(record.owner, id, graceMs);
  rmSync(record.socket, { force: true });
  removeRecord(serverFile(paths, id));
}

function servedParts(version: string, spec: ServerSpec): Served {
  const model = join(version, 'model');
  const adapter = join(version, 'adapter');
  return {
    baseModel: existsSync(model) ? model : spec.baseModel,
    adapter: existsSync(adapter) ? adapter : undefined,
  };
}

function recordFields(record: ServerSpec & { socket: string; venv: string; startedAtMs: number }) {
  const { id, model, version, digest, socket, venv, startedAtMs } = record;
  return { id, model, version, digest, socket, venv, startedAtMs };
}

function socketFile(paths: Paths, id: string): string {
  requirePrivateFolder(paths.sockets);
  const socket = join(paths.sockets, `${id}.sock`);
  if (Buffer.byteLength(socket) <= longestSocket) return socket;
  return join(paths.sockets, `${createHash('sha256').update(id).digest('hex').slice(0, 16)}.sock`);
}

/** Logs of servers that are gone stay for questions, but not for ever. */
function pruneLogs(folder: string): void {
  if (!existsSync(folder)) return;
  const idle = readdirSync(folder)
    .filter((name) => name.endsWith('.log') && !existsSync(join(folder, name.replace(/\.log$/, '.json'))))
    .map((name) => ({ file: join(folder, name), changedAtMs: statSync(join(folder, name)).mtimeMs }))
    .sort((a, b) => b.changedAtMs - a.changedAtMs);
  for (const { file } of idle.slice(keptLogs)) rmSync(file, { force: true });
}
