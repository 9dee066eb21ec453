// `mlx status`: what of this project runs and how it is. Reads pid files, labels, sockets and the ledger; starts nothing.
import { existsSync } from 'node:fs';

import type { Context } from '../context.js';
import { exitStatus, isMlxError } from '../errors.js';
import type { Engine, EngineKind } from '../engine/engine.js';
import { ownerPid } from '../engine/owner.js';
import { withKeyNames } from '../gateway/budget/describe.js';
import { controlSocket, type GatewayState } from '../gateway/control-api.js';
import { listKeys } from '../ledger/keys.js';
import type { Ledger } from '../ledger/open.js';
import { listRoutes } from '../ledger/promotions.js';
import { listRuns } from '../ledger/runs.js';
import { listAliases, listVersions } from '../ledger/versions.js';
import { listWarmServers } from '../ledger/warm-servers.js';
import { outcome } from '../output/output.js';
import type { CommandModule } from '../program.js';
import { splitNotes } from '../registry/canary-report.js';
import { comingRestarts, restartText } from '../registry/coming-back.js';
import { describeMoved, movedTags } from '../registry/labels.js';
import { readRows, type Rows } from '../registry/rows.js';
import { settlePromotions } from '../registry/settle.js';
import { watchNotes } from '../registry/watch-report.js';
import { disksOf } from '../stack/disks.js';
import { usedEngines } from '../stack/engines.js';
import { hungGateway, missingGateway, runningGateway } from '../stack/gateway-part.js';
import { renderStatus, type ProjectStatus } from '../stack/render.js';
import { partsDown, withReturning, type Return } from '../stack/returning.js';
import { stackParts, type Part } from '../stack/status.js';
import { openReconciled } from '../training/reconcile.js';

export const define: CommandModule['define'] = (command) => {
  command.option('--check', 'exit status 1 when a part is not well, or mlx.yaml is broken');
  command.addHelpText(
    'after',
    `
Shows MLflow, the gateway, model servers, running training, with address and health, budgets near their end, and a disk (of the project
or of MLX_HOME) with less than 5 GiB free, or less than 5 % and 50 GiB. Of a part that is not well it shows the last lines and what to do.

Examples:
  mlx status
  mlx status --json
  mlx status --check || page-somebody
  watch mlx status`,
  );
};

export const run: CommandModule['run'] = async (given, _args, flags) => {
  const { context, problem } = await readableContext(given);
  // What is settled by wrong settings is better left to the next command.
  if (problem === null) await settlePromotions(context);
  const [engines, config] = await Promise.all([usedEngines(context.engine, context.flags.engine), context.config()]);
  const { state: gateway, hung } = await stateOf(context);
  const found = await stackParts({ engines, readyTimeoutMs: config.serving.readyTimeoutMs, now: context.now });
  const nowMs = context.now().getTime();
  const rows = readRows(await context.ledger());
  const returns = returnsOf(rows, gateway?.cares ?? null, found, nowMs);
  const asked = engines.map(({ kind }) => kind);
  const parts = withReturning(found, rows.routes, asked, returns);
  const status: ProjectStatus = {
    project: context.paths().project,
    configProblem: problem,
    engine: engines.map(({ description }) => description).join(' + '),
    disks: await disksOf([context.paths().project, context.home.home]),
    parts: [...(hung ?? (gateway ? [runningGateway(gateway)] : missingGateway(rows.routes, parts))), ...parts],
    workers: gateway?.workers ?? [],
    budgets: lowBudgets(await context.ledger(), gateway),
    routes: routesOf(gateway),
    warm: await warmServers(await context.ledger(), parts),
    movedTags: await movedTagsOf(context, engines),
    ...(await ledgerPart(context)),
    watches: watchNotes(await context.ledger()),
    splits: splitNotes(await context.ledger()),
  };
  const isWell = problem === null && status.parts.every(({ fix }) => fix === undefined);
  return outcome(
    status,
    (value) => renderStatus(value, nowMs, context.output.columns),
    flags['check'] === true && !isWell ? exitStatus.failed : exitStatus.ok,
  );
};

/** What runs goes on while mlx.yaml is broken, and somebody may need to see it just then: the defaults stand in. */
async function readableContext(context: Context): Promise<{ context: Context; problem: string | null }> {
  try {
    await context.config();
    return { context, problem: null };
  } catch (error) {
    if (!isMlxError(error, 'CONFIG_INVALID')) throw error;
    const [{ loadDefaults }, { openEngine }] = await Promise.all([
      import('../config/load.js'),
      import('../engine/open.js'),
    ]);
    const config = () => loadDefaults(context.paths().project, context.environment);
    const plain: Context = { ...context, config, engine: (kind) => openEngine(plain, kind) };
    const [first] = error.problems;
    const where = first === undefined ? '' : ` line ${first.line ?? 1}: ${first.path ?? ''} ${first.message}`;
    return { context: plain, problem: `${error.message}${where}` };
  }
}

/** Without its socket there is no gateway to ask, and no client to load. */
async function stateOf(context: Context): Promise<{ state?: GatewayState; hung?: Part[] }> {
  const { sockets } = context.paths();
  if (!existsSync(controlSocket(sockets))) return {};
  const { askGateway } = await import('../gateway/control.js');
  const { hung, ...known } = await askGateway(sockets);
  if (!hung) return known;
  return { hung: [hungGateway(hung.message)] };
}

/** By the id of the server. */
function returnsOf(
  rows: Rows,
  cares: GatewayState['cares'],
  parts: readonly Part[],
  nowMs: number,
): Map<string, Return> {
  const coming = comingRestarts(rows, cares, partsDown(parts));
  return new Map(
    [...coming].map(([id, restart]) => {
      const { route, state, nextAtMs } = restart;
      return [id, { route, text: restartText(restart, nowMs), restart: { state, nextAtMs } }];
    }),
  );
}

function lowBudgets(ledger: Ledger, gateway: GatewayState | undefined): ProjectStatus['budgets'] {
  const low = (gateway?.budgets ?? []).filter(({ state }) => state !== 'ok');
  return low.length === 0 ? [] : withKeyNames(low, listKeys(ledger));
}

function routesOf(gateway: GatewayState | undefined): ProjectStatus['routes'] {
  if (!gateway) return [];
  return gateway.routes.map(({ name, model, version, serverId }) => ({
    name,
    model,
    version,
    openRequests: gateway.inFlight[serverId] ?? 0,
  }));
}

async function warmServers(ledger: Ledger, parts: readonly Part[]): Promise<ProjectStatus['warm']> {
  const routed = new Set(listRoutes(ledger).map(({ serverId }) => serverId));
  // One that has exited waits for nothing: it stands above, with what it said.
  const addresses = new Map(
    parts.filter(({ state }) => state !== 'exited').map(({ name, address }) => [name, address]),
  );
  const warm = listWarmServers(ledger).filter(({ serverId }) => !routed.has(serverId) && addresses.has(serverId));
  return Promise.all(
    warm.map(async ({ serverId, model, version, untilMs }) => {
      return { serverId, model, version, untilMs, asleep: await isAsleep(addresses.get(serverId)) };
    }),
  );
}

async function isAsleep(address: string | undefined): Promise<boolean> {
  if (address === undefined) return false;
  const { askServer } = await import('../serving/server-client.js');
  return (await askServer(address, (client) => client.isAsleep())) === true;
}

/** Only on engines that are in use: status opens no other for it. */
async function movedTagsOf(context: Context, engines: readonly Engine[]): Promise<ProjectStatus['movedTags']> {
  const unused = { findVersion: () => Promise.resolve(undefined) };
  const engine = (kind: EngineKind) => Promise.resolve(engines.find((used) => used.kind === kind) ?? unused);
  const moved = await movedTags({ ledger: await context.ledger(), engine });
  return moved.map((tag) => ({ reference: tag.reference, what: describeMoved(tag) }));
}

async function ledgerPart(context: Context): Promise<Pick<ProjectStatus, 'models' | 'runs'>> {
  const ledger = await openReconciled(context);
  const versions = listVersions(ledger);
  const aliases = listAliases(ledger);
  const running = listRuns(ledger, { state: 'running', sort: 'started', descending: true, limit: 20 });
  return {
    models: [...new Set(versions.map(({ model }) => model))].map((model) => ({
      model,
      versions: versions.filter((version) => version.model === model).length,
      aliases: aliases.filter((row) => row.model === model).map(({ alias, version }) => ({ alias, version })),
    })),
    runs: running.map(({ id, recipe, startedAtMs, owner }) => {
      return { id, recipe, startedAtMs, pid: owner === null ? undefined : ownerPid(owner) };
    }),
  };
}
