// `mlx gateway status`: address, routes and open requests, as the running gateway says; and whether each model server answers now.
import pc from 'picocolors';

import type { Context } from '../context.js';
import type { GatewayState } from '../gateway/control-api.js';
import { gatewayControl } from '../gateway/control.js';
import { formatDuration } from '../output/numbers.js';
import { outcome } from '../output/output.js';
import { renderTable } from '../output/table.js';
import type { CommandModule } from '../program.js';
import { askServer } from '../serving/server-client.js';

export const define: CommandModule['define'] = (command) => {
  command.addHelpText(
    'after',
    `
Examples:
  mlx gateway status
  mlx gateway status --json | jq '.routes[].name'`,
  );
};

export const run: CommandModule['run'] = async (context) => {
  const state = await gatewayControl(context.paths().sockets).state();
  return outcome(await described(state, context), (value) => renderStatus(value, context.output.columns));
};

type Described = {
  running: boolean;
  url: string | null;
  pid: number | null;
  /** With gateway.workers > 1. */
  workers: GatewayState['workers'];
  uptimeMs: number | null;
  routes: {
    name: string;
    version: string;
    server: string;
    engine: string;
    openRequests: number;
    healthy: boolean;
    /** What a server that is not healthy did instead. */
    seen: string | null;
  }[];
};

async function described(state: GatewayState | undefined, context: Context): Promise<Described> {
  if (!state) return { running: false, url: null, pid: null, workers: [], uptimeMs: null, routes: [] };
  return {
    running: true,
    url: `http://127.0.0.1:${state.port}/v1`,
    pid: state.pid,
    workers: state.workers,
    uptimeMs: context.now().getTime() - state.startedAtMs,
    routes: await Promise.all(
      state.routes.map(async ({ name, model, version, serverId, engine, address }) => ({
        name,
        version: `${model}:${version}`,
        server: serverId,
        engine,
        openRequests: state.inFlight[serverId] ?? 0,
        ...(await healthOf(address)),
      })),
    ),
  };
}

async function healthOf(address: string): Promise<{ healthy: boolean; seen: string | null }> {
  const health = await askServer(address, (client) => client.health());
  return { healthy: health.ok, seen: health.ok ? null : health.seen };
}

function renderStatus(status: Described, width: number): string {
  if (!status.running) return 'No gateway runs. Start it: mlx gateway start';
  const up = `up ${formatDuration(status.uptimeMs ?? 0)}`;
  const head = `The gateway answers at ${status.url ?? ''} (process ${status.pid ?? ''}, ${up}).${workersLine(status)}`;
  if (status.routes.length === 0) return `${head}\nIt serves no model yet: mlx serve MODEL`;
  const table = renderTable(
    [
      { title: 'model', cell: ({ name }) => name },
      { title: 'version', cell: ({ version }) => version },
      { title: 'health', cell: ({ healthy }) => (healthy ? 'ok' : pc.red('no answer')) },
      { title: 'server', cell: ({ server }) => server, dropFirst: 1 },
      { title: 'engine', cell: ({ engine }) => engine, dropFirst: 2 },
      { title: 'open requests', cell: ({ openRequests }) => String(openRequests), align: 'right' },
    ],
    status.routes,
    width,
  );
  const dead = status.routes.filter(({ healthy }) => !healthy);
  const notes = dead.map(({ name, server, seen }) => `${name}: ${server} ${seen ?? ''}. See why: mlx logs ${server}`);
  return [head, '', table, ...(notes.length > 0 ? ['', ...notes] : [])].join('\n');
}

function workersLine({ workers }: Described): string {
  const each = workers.map(({ pid, openRequests }) => `${pid} (${openRequests} open)`);
  return each.length === 0 ? '' : `\n${each.length} workers: ${each.join(', ')}.`;
}
