// The ports of the gateway and of MLflow: free, ours already, or held by somebody, and by whom.
import type { Paths } from '../config/paths.js';
import { ownerIsAlive, ownerPid } from '../engine/owner.js';
import { isPortFree, portHolder } from '../engine/port.js';
import { ok, skip, warn, type Finding } from './finding.js';
import { recordsIn, type FoundRecord } from './leftovers.js';
import type { Machine } from './machine.js';

export async function checkPorts(machine: Machine): Promise<Finding[]> {
  const { gateway, mlflow } = machine.config;
  const mlflowIsElsewhere = !mlflow.enabled || mlflow.trackingUri !== undefined;
  return [
    await checkPort(machine, 'port gateway', gateway.port, 'gateway.port'),
    mlflowIsElsewhere
      ? skip('port mlflow', 'mlx up starts no MLflow of our own (mlx.yaml)')
      : await checkPort(machine, 'port mlflow', mlflow.port, 'mlflow.port'),
  ];
}

async function checkPort(machine: Machine, check: string, port: number, key: string): Promise<Finding> {
  if (await isPortFree(port)) return ok(check, `${port} is free`);
  const holder = (await containerOn(machine, port)) ?? (await portHolder(port)) ?? 'a process of another user';
  if (holder === 'ours' || (machine.project && isOurs(machine.project, port, holder)))
    return ok(check, `${port} is held by this project`);
  const why = 'It is needed once a model is served (gateway) or mlx up runs (MLflow).';
  return warn(check, `${port} is held by ${holder}`, why, `Stop it, or choose another port: ${key} in mlx.yaml`);
}

/** Docker's own proxy holds a published port; the container behind it says more. */
async function containerOn(machine: Machine, port: number): Promise<string | undefined> {
  if (!machine.docker.reachable) return undefined;
  const format = '{{.Names}}\t{{.Label "mlx.project"}}';
  const answer = await machine.ask('docker', 'ps', '--filter', `publish=${port}`, '--format', format);
  const [name, projectId] = answer?.stdout.split('\n')[0]?.split('\t') ?? [];
  if (name === undefined || name === '') return undefined;
  return projectId !== '' && projectId === machine.project?.projectId ? 'ours' : `container ${name}`;
}

function isOurs(project: Paths, port: number, holder: string): boolean {
  const names = (record: FoundRecord): boolean =>
    record.port === port || holder.endsWith(`(process ${ownerPid(record.owner)})`);
  return recordsIn([project.run]).some((record) => ownerIsAlive(record.owner) && names(record));
}
