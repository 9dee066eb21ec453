// `mlx status` and `mlx up` for people. Pure.
import pc from 'picocolors';

import { describeAccount, describeUse, type NamedBudget } from '../gateway/budget/describe.js';
import type { WorkerState } from '../gateway/control-api.js';
import { formatBytes, formatCount, formatDuration } from '../output/numbers.js';
import { renderTable, type Column } from '../output/table.js';
import type { Disk } from './disks.js';
import type { Part } from './status.js';
import type { UpReport } from './up.js';

export type ProjectStatus = {
  project: string;
  /** What is wrong with mlx.yaml; the running gateway goes on with the one before. */
  configProblem: string | null;
  engine: string;
  /** Of the project and of MLX_HOME. */
  disks: Disk[];
  parts: Part[];
  /** Of the gateway, with gateway.workers > 1. */
  workers: WorkerState[];
  /** Those that are nearly or wholly used up. */
  budgets: NamedBudget[];
  routes: { name: string; model: string; version: number; openRequests: number }[];
  /** Servers that wait for a rollback. */
  warm: { serverId: string; model: string; version: number; untilMs: number; asleep: boolean }[];
  /** Image tags that somebody else moved. */
  movedTags: { reference: string; what: string }[];
  /** Versions that are watched after their switch, or whose watch ended without a word. */
  watches: { model: string; version: number; watching: boolean; what: string }[];
  /** Shares of the requests that another version gets. */
  splits: { name: string; version: string; percent: number; stepping: boolean; what: string }[];
  models: { model: string; versions: number; aliases: { alias: string; version: number }[] }[];
  runs: { id: string; recipe: string; startedAtMs: number; pid: number | undefined }[];
};

export function renderStatus(status: ProjectStatus, nowMs: number, columns: number): string {
  const sections = [
    `${status.project}  ${pc.dim(status.engine)}`,
    status.configProblem === null
      ? ''
      : `${pc.red('broken')}  mlx.yaml\n${pc.dim(`  ${status.configProblem}`)}\n${pc.cyan('next')}  mlx config`,
    ...status.disks.filter(({ low }) => low).map(diskLine),
    status.parts.length === 0 ? pc.dim(nothingRuns(status)) : partsTable(status, nowMs, columns),
    ...status.parts.filter((part) => part.fix !== undefined).map(attention),
    section('workers of the gateway', status.workers.map(workerLine)),
    section('budgets', status.budgets.map(budgetLine)),
    section('routes', status.routes.map(routeLine)),
    section(
      'warm, for a rollback',
      status.warm.map((server) => {
        const asleep = server.asleep ? ', asleep' : '';
        return `${server.model}:${server.version}  for ${formatDuration(server.untilMs - nowMs)}${asleep}`;
      }),
    ),
    ...status.movedTags.map(movedTag),
    section(
      'divided',
      status.splits.map(({ name, what }) => `${name}: ${what}`),
    ),
    section(
      'watched',
      status.watches.map(({ model, version, watching, what }) => {
        return `${model}:${version}  ${watching ? what : pc.yellow(what)}`;
      }),
    ),
    section('models', status.models.map(modelLine)),
    section(
      'training',
      status.runs.map((run) => `${run.id}  for ${formatDuration(nowMs - run.startedAtMs)}  ${pid(run.pid)}`),
    ),
  ];
  return sections.filter((text) => text !== '').join('\n\n');
}

function diskLine({ folders, freeBytes, sizeBytes }: Disk): string {
  const left = `${formatBytes(freeBytes)} of ${formatBytes(sizeBytes)} free`;
  return `${pc.yellow('disk')}  ${left} for ${folders.join(' and ')}: mlx gc --dry-run shows what can go`;
}

export function renderUp(report: UpReport): string {
  const started = report.services.map((service) => `${service.name}  ${service.state}  ${service.address ?? ''}`);
  const skipped = report.skipped.map(({ name, reason }) => pc.dim(`${name}  not started: ${reason}`));
  return [...started, ...skipped].join('\n');
}

function workerLine({ pid: worker, openRequests }: WorkerState): string {
  return `process ${worker}  ${formatCount(openRequests)} open requests`;
}

const colourOf: Record<Part['state'], (text: string) => string> = {
  running: pc.green,
  starting: pc.yellow,
  unhealthy: pc.red,
  exited: pc.red,
};

function nothingRuns({ models, runs }: ProjectStatus): string {
  const live = models.find(({ aliases }) => aliases.some(({ alias }) => alias === 'production'));
  const serve = live === undefined ? '' : `; put ${live.model} back: mlx serve ${live.model}@production`;
  const nothing = runs.length > 0 ? 'Nothing runs but a training' : 'Nothing runs';
  return `${nothing}. Start MLflow: mlx up${serve}`;
}

function partsTable({ parts, project }: ProjectStatus, nowMs: number, width: number): string {
  const columns: Column<Part>[] = [
    { title: 'name', cell: (part) => part.name },
    { title: 'kind', cell: (part) => part.kind, dropFirst: 3 },
    { title: 'state', cell: (part) => colourOf[part.state](part.state) },
    { title: 'up', cell: (part) => uptime(part, nowMs), align: 'right', dropFirst: 1 },
    { title: 'address', cell: (part) => shortAddress(part.address, project) },
    { title: 'engine', cell: (part) => part.engine, dropFirst: 2 },
    { title: 'runtime', cell: (part) => shortRuntime(part.runtime), dropFirst: 4 },
  ];
  return renderTable(columns, parts, width);
}

function uptime(part: Part, nowMs: number): string {
  if (part.startedAtMs === undefined || part.state === 'exited') return '';
  return formatDuration(nowMs - part.startedAtMs);
}

/** A socket of this project is shown from the project on: its whole path would leave no room for the rest. */
function shortAddress(address: string | undefined, project: string): string {
  return address?.replace(`unix:${project}/`, '') ?? '';
}

/** A digest by its first digits, a folder by its name. */
function shortRuntime(runtime: string | undefined): string {
  if (runtime?.startsWith('sha256:')) return runtime.slice(0, 19);
  return runtime?.split('/').at(-1) ?? '';
}

function attention(part: Part): string {
  return [
    `${colourOf[part.state](part.state)}  ${part.name}`,
    ...part.lastLines.map((line) => pc.dim(`  ${line}`)),
    `${pc.cyan('next')}  ${part.fix ?? ''}`,
  ].join('\n');
}

function budgetLine(budget: NamedBudget): string {
  const { unit, limit, state, resetsAtMs } = budget;
  const period = `${unit === 'usd' ? '' : ' tokens'} ${limit.endsWith('Day') ? 'a day' : 'a month'}`;
  const colour = state === 'near' ? pc.yellow : pc.red;
  const until = pc.dim(`  begins anew ${new Date(resetsAtMs).toISOString().slice(0, 16)}Z`);
  return `${describeAccount(budget)}  used ${colour(describeUse(budget, period))}${until}`;
}

function movedTag({ reference, what }: ProjectStatus['movedTags'][number]): string {
  return `${pc.red('moved')}  ${reference}\n${pc.dim(`  ${what}`)}\n${pc.cyan('next')}  mlx releases recover --tags`;
}

function routeLine(route: ProjectStatus['routes'][number]): string {
  const open = route.openRequests === 0 ? '' : pc.dim(`  ${route.openRequests} open`);
  return `${route.name} -> ${route.model}:${route.version}${open}`;
}

function modelLine({ model, versions, aliases }: ProjectStatus['models'][number]): string {
  const named = aliases.map(({ alias, version }) => `${alias} -> ${version}`).join(', ');
  return `${model}  ${versions === 1 ? '1 version' : `${versions} versions`}${named === '' ? '' : `  ${named}`}`;
}

function section(title: string, lines: string[]): string {
  return lines.length === 0 ? '' : [pc.dim(title), ...lines.map((line) => `  ${line}`)].join('\n');
}

function pid(value: number | undefined): string {
  return value === undefined ? '' : pc.dim(`process ${value}`);
}
