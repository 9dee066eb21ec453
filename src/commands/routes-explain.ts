// `mlx routes explain`: which upstream a request for a name would take now, what comes after it, what is left out and why.
// Reads mlx.yaml, the ledger and the running gateway's breakers; the decision is the gateway's own function.
import type { RouteConfig } from '../config/route-schema.js';
import { MlxError } from '../errors.js';
import { askGatewayOrNote } from '../gateway/control.js';
import { routingFor, situationFor } from '../gateway/explain.js';
import { findKey } from '../gateway/keys/find.js';
import { ownerKeyId } from '../gateway/keys/ring.js';
import { drawOf, planAttempts, stickyName, type Plan } from '../gateway/plan.js';
import type { Routing } from '../gateway/routing.js';
import { listKeys } from '../ledger/keys.js';
import type { Ledger } from '../ledger/open.js';
import { listRoutes } from '../ledger/promotions.js';
import { listSplits } from '../ledger/route-splits.js';
import { outcome } from '../output/output.js';
import type { CommandModule } from '../program.js';

export const define: CommandModule['define'] = (command) => {
  command
    .argument('<name>', 'what a client sends as "model"')
    .option('--key <key>', 'the key that asks, by its id or name, for a canary that is sticky by key')
    .option('--feature <name>', 'the feature that asks, for a canary that is sticky by feature')
    .option('--header <value>', 'what stands in the header that a canary is sticky by');
  command.addHelpText(
    'after',
    `
Examples:
  mlx routes explain support
  mlx routes explain support --feature search
  mlx routes explain support --key billing-app --json | jq .takes`,
  );
};

export const run: CommandModule['run'] = async (context, [name = ''], flags) => {
  const config = await context.config();
  const { state, gatewayRuns } = await askGatewayOrNote(context.paths().sockets, context.output.note);
  const ledger = await context.ledger();
  const rows = { routes: state?.routes ?? listRoutes(ledger), splits: listSplits(ledger) };
  const routing = routingFor(config, rows, state, context.environment);
  const route = routing.routes.get(name) ?? unknown(name, routing);
  const sticky = stickyValue(route, { ...flags, ...askingKey(ledger, flags['key']) });
  const draw = sticky === undefined ? 100 : drawOf(stickyName(route.name, sticky));
  const plan = planAttempts(routing, route, situationFor(state, draw));
  return outcome(explained(route, plan, { gatewayRuns, gatewayAnswers: state !== undefined }, sticky), render);
};

/** The side of a canary hangs on the id. @throws MlxError NOT_FOUND, also for a revoked one, which the gateway knows no more */
function askingKey(ledger: Ledger, wanted: unknown): Pick<Asking, 'key'> {
  if (typeof wanted !== 'string') return {};
  if (wanted === ownerKeyId) return { key: wanted };
  return {
    key: findKey(
      listKeys(ledger).filter(({ revokedAtMs }) => revokedAtMs === null),
      wanted,
    ).id,
  };
}

type Asking = { key?: string; feature?: string; header?: string };

function stickyValue({ canary }: RouteConfig, { key, feature, header }: Asking): string | undefined {
  if (!canary) return undefined;
  if (canary.sticky === 'request') return undefined;
  return canary.sticky === 'key' ? key : canary.sticky === 'feature' ? feature : header;
}

type Explained = {
  route: string;
  dataClass: string;
  gatewayRuns: boolean;
  /** Else its breakers are not known. */
  gatewayAnswers: boolean;
  takes: Taken | null;
  then: Taken[];
  leftOut: { role: string; target: string; reason: string; why: string }[];
  canary: { target: string; percent: number; sticky: string; decided: boolean } | null;
  shadow: { target: string; percent: number } | null;
  retries: number;
};

type Taken = { role: string; target: string; model: string; version: string | null; local: boolean };

function explained(
  route: RouteConfig,
  plan: Plan,
  gateway: Pick<Explained, 'gatewayRuns' | 'gatewayAnswers'>,
  sticky: string | undefined,
): Explained {
  const [first, ...rest] = plan.steps.map(({ role, destination }) => ({
    role,
    target: `${destination.target.upstream}/${destination.target.model}`,
    model: destination.model,
    version: destination.version ?? null,
    local: destination.local,
  }));
  const { canary, shadow } = route;
  return {
    route: route.name,
    dataClass: route.dataClass,
    ...gateway,
    takes: first ?? null,
    then: rest,
    leftOut: plan.skipped.map(({ role, target, reason, why }) => ({
      role,
      target: `${target.upstream}/${target.model}`,
      reason,
      why,
    })),
    canary: canary
      ? {
          target: `${canary.target.upstream}/${canary.target.model}`,
          percent: canary.percent,
          sticky: typeof canary.sticky === 'string' ? canary.sticky : `header ${canary.sticky.header}`,
          decided: sticky !== undefined,
        }
      : null,
    shadow: shadow ? { target: `${shadow.target.upstream}/${shadow.target.model}`, percent: shadow.percent } : null,
    retries: route.retries,
  };
}

function render(value: Explained): string {
  const { takes, then, leftOut, canary, shadow } = value;
  const lines = [
    takes
      ? `${value.route} goes to ${named(takes)} (${takes.role}).`
      : `${value.route} can go nowhere now: a client gets 503.`,
    ...then.map((next) => `  if that fails before the first byte: ${named(next)} (${next.role})`),
    ...leftOut.map(({ role, target, why }) => `  not ${target} (${role}): ${why}`),
    ...(canary && !canary.decided
      ? [`  ${canary.percent} % go to ${canary.target} first; who does depends on the ${canary.sticky}`]
      : []),
    ...(shadow ? [`  ${shadow.percent} % are copied to ${shadow.target}; nobody sees its answer`] : []),
    `  data class ${value.dataClass}${value.dataClass === 'private' ? ': never leaves this machine' : ''}`,
    ...(value.gatewayAnswers
      ? []
      : [`  the gateway does not ${value.gatewayRuns ? 'answer' : 'run'}: breakers are not known`]),
  ];
  return lines.join('\n');
}

function named({ target, version, local }: Taken): string {
  if (version !== null) return `${target}, ${version} on this machine`;
  return local ? `${target}, on this machine` : target;
}

function unknown(name: string, { routes }: Routing): never {
  throw new MlxError('NOT_FOUND', `There is no route '${name}'.`, {
    hint: routes.size === 0 ? 'Serve a model: mlx serve MODEL' : `There are: ${[...routes.keys()].join(', ')}`,
  });
}
