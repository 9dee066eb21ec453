// `mlx routes ls`: every name that a client may send as "model", and where its requests go. Reads mlx.yaml, the ledger, the gateway.
import type { RouteConfig, Target } from '../config/route-schema.js';
import { askGatewayOrNote } from '../gateway/control.js';
import { routingFor } from '../gateway/explain.js';
import { resolveTarget, type Routing } from '../gateway/routing.js';
import { listRoutes } from '../ledger/promotions.js';
import { listSplits } from '../ledger/route-splits.js';
import { outcome } from '../output/output.js';
import { renderTable } from '../output/table.js';
import type { CommandModule } from '../program.js';

export const define: CommandModule['define'] = (command) => {
  command.addHelpText(
    'after',
    `
Models that are served or promoted are routes of their own name; more of them stand under routes in mlx.yaml.

Examples:
  mlx routes ls
  mlx routes ls --json | jq '.routes[] | select(.data_class == "private") | .name'`,
  );
};

export const run: CommandModule['run'] = async (context) => {
  const config = await context.config();
  const { state } = await askGatewayOrNote(context.paths().sockets, context.output.note);
  const ledger = await context.ledger();
  const rows = { routes: state?.routes ?? listRoutes(ledger), splits: listSplits(ledger) };
  const routing = routingFor(config, rows, state, context.environment);
  const routes = [...routing.routes.values()].map((route) => described(routing, route, config.routes));
  return outcome({ routes }, (value) => render(value.routes, context.output.columns));
};

type Listed = {
  name: string;
  source: 'mlx.yaml' | 'served';
  dataClass: string;
  primary: string;
  fallback: string[];
  canary: string | null;
  shadow: string | null;
  problems: string[];
};

function described(routing: Routing, route: RouteConfig, configured: readonly RouteConfig[]): Listed {
  const { name, dataClass, primary, fallback, canary, shadow } = route;
  const targets = [primary, ...fallback, ...(canary ? [canary.target] : []), ...(shadow ? [shadow.target] : [])];
  return {
    name,
    source: configured.some((one) => one.name === name) ? 'mlx.yaml' : 'served',
    dataClass,
    primary: textOf(primary),
    fallback: fallback.map(textOf),
    canary: canary ? `${canary.percent} % ${textOf(canary.target)}` : null,
    shadow: shadow ? `${shadow.percent} % ${textOf(shadow.target)}` : null,
    problems: targets.flatMap((target) => {
      const destination = resolveTarget(routing, target);
      return typeof destination === 'string' ? [`${textOf(target)}: ${destination}`] : [];
    }),
  };
}

function textOf({ upstream, model }: Target): string {
  return `${upstream}/${model}`;
}

function render(routes: readonly Listed[], width: number): string {
  if (routes.length === 0) return 'There is no route yet. Serve a model: mlx serve MODEL, or write one into mlx.yaml.';
  const table = renderTable(
    [
      { title: 'model', cell: ({ name }) => name },
      { title: 'primary', cell: ({ primary }) => primary },
      { title: 'fallback', cell: ({ fallback }) => fallback.join(', '), dropFirst: 2 },
      { title: 'canary', cell: ({ canary }) => canary ?? '', dropFirst: 3 },
      { title: 'shadow', cell: ({ shadow }) => shadow ?? '', dropFirst: 4 },
      { title: 'data class', cell: ({ dataClass }) => dataClass },
      { title: 'from', cell: ({ source }) => source, dropFirst: 1 },
    ],
    routes,
    width,
  );
  return [table, ...routes.flatMap(({ name, problems }) => problems.map((one) => `${name}: ${one}`))].join('\n');
}
