// The part of `gateway:` in mlx.yaml that counts and limits: prices, budgets, alerts, the traffic log and what is sent on.
import { z } from 'zod';

const usd = z.number().nonnegative();
const tokens = z.int().nonnegative();

const budget = z.strictObject({
  usd_per_day: usd.optional(),
  usd_per_month: usd.optional(),
  tokens_per_day: tokens.optional(),
  tokens_per_month: tokens.optional(),
  requests_per_minute: z.int().positive().optional(),
  tokens_per_minute: z.int().positive().optional(),
});

const price = z.strictObject({
  input: usd,
  output: usd.default(0),
  cached_input: usd.optional(),
  cache_write: usd.optional(),
});

const sendsTo = z.url({ protocol: /^https?$/ });

/** Keys of `gateway:`. */
export const meteringShape = {
  traffic_days: z.int().positive().default(90).describe('Days that a request stays in the traffic log'),
  hardware: z
    .strictObject({
      usd_per_hour: usd.optional().describe('What an hour of your own machine costs: the price of local models'),
    })
    .prefault({}),
  prices: z
    .record(z.string().regex(/^[^/]+\/.+$/, 'names an upstream and a model: UPSTREAM/MODEL'), price)
    .default({})
    .describe('USD per million tokens by UPSTREAM/MODEL, where the public price lists have none or another one'),
  assumed_output_tokens: z
    .int()
    .positive()
    .default(4096)
    .describe('Reserved for an answer whose request names no limit of its own'),
  budgets: z
    .strictObject({
      everything: budget.optional().describe('All keys together, your own too'),
      tenants: z.record(z.string(), budget).default({}).describe('All keys of a tenant together'),
      features: z.record(z.string(), budget).default({}).describe('All requests of a feature together'),
    })
    .prefault({}),
  alerts: z
    .strictObject({
      at_percent: z.number().gt(0).lt(100).default(80).describe('Part of a budget that is worth an alert'),
      webhook: sendsTo.optional().describe('Gets a POST with each alert; its host must be in gateway.allowed_hosts'),
    })
    .prefault({}),
  otlp: z
    .strictObject({
      endpoint: sendsTo.optional().describe('Gets a span for each request, without its content: .../v1/traces'),
      protocol: z.enum(['protobuf', 'json']).default('protobuf').describe('MLflow takes protobuf alone'),
      headers: z
        .record(
          z
            .string()
            .regex(
              /^(?!authorization$)[\w-]+$/i,
              'is no header that may stand here: a secret has no place in mlx.yaml',
            ),
          z.string(),
        )
        .default({})
        .describe('Sent along'),
    })
    .prefault({}),
  allowed_hosts: z
    .array(z.string().min(1))
    .default([])
    .describe('Hosts beside this machine that alerts and spans may be sent to'),
};

type BudgetFile = z.infer<typeof budget>;

type MeteringFile = z.infer<z.ZodObject<typeof meteringShape>>;

/** null is without limit. */
export type Budget = {
  usdPerDay: number | null;
  usdPerMonth: number | null;
  tokensPerDay: number | null;
  tokensPerMonth: number | null;
  requestsPerMinute: number | null;
  tokensPerMinute: number | null;
};

/** USD per million tokens. */
export type OwnPrice = { input: number; output: number; cachedInput: number; cacheWrite: number };

/** What mlx.yaml gives in days is time from there on. */
export const dayMs = 86_400_000;

export type Metering = {
  trafficKeptMs: number;
  hardwareUsdPerHour: number | undefined;
  /** By `UPSTREAM/MODEL`. */
  prices: ReadonlyMap<string, OwnPrice>;
  assumedOutputTokens: number;
  /** By account: `everything`, `tenant:NAME`, `feature:NAME`. */
  budgets: ReadonlyMap<string, Budget>;
  alerts: { atShare: number; webhook: string | undefined };
  otlp: { endpoint: string | undefined; protocol: 'protobuf' | 'json'; headers: Record<string, string> };
};

/** What leaves the gateway goes to this machine or to a host that was named for it, never in the clear over a network. */
export function checkDestinations(file: MeteringFile, context: z.RefinementCtx<MeteringFile>): void {
  const destinations = { 'alerts.webhook': file.alerts.webhook, 'otlp.endpoint': file.otlp.endpoint };
  for (const [path, address] of Object.entries(destinations)) {
    const problem = address === undefined ? undefined : destinationProblem(new URL(address), file.allowed_hosts);
    if (problem !== undefined)
      context.addIssue({ code: 'custom', path: path.split('.'), message: problem, input: address });
  }
}

export function toMetering(file: MeteringFile): Metering {
  const { budgets, prices, alerts, otlp } = file;
  return {
    trafficKeptMs: file.traffic_days * dayMs,
    hardwareUsdPerHour: file.hardware.usd_per_hour,
    prices: new Map(Object.entries(prices).map(([name, own]) => [name, toOwnPrice(own)])),
    assumedOutputTokens: file.assumed_output_tokens,
    budgets: new Map([
      ...(budgets.everything ? [['everything', toBudget(budgets.everything)] as const] : []),
      ...Object.entries(budgets.tenants).map(([name, one]) => [`tenant:${name}`, toBudget(one)] as const),
      ...Object.entries(budgets.features).map(([name, one]) => [`feature:${name}`, toBudget(one)] as const),
    ]),
    alerts: { atShare: alerts.at_percent / 100, webhook: alerts.webhook },
    otlp: { endpoint: otlp.endpoint, protocol: otlp.protocol, headers: otlp.headers },
  };
}

function destinationProblem({ hostname, protocol }: URL, allowed: readonly string[]): string | undefined {
  if (/^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(hostname)) return undefined;
  if (!allowed.includes(hostname)) return `goes to ${hostname}, which gateway.allowed_hosts does not name`;
  return protocol === 'https:' ? undefined : `goes to ${hostname} in the clear; use https`;
}

function toOwnPrice({
  input,
  output,
  cached_input: cachedInput,
  cache_write: cacheWrite,
}: z.infer<typeof price>): OwnPrice {
  return { input, output, cachedInput: cachedInput ?? input, cacheWrite: cacheWrite ?? input };
}

function toBudget(file: BudgetFile): Budget {
  return {
    usdPerDay: file.usd_per_day ?? null,
    usdPerMonth: file.usd_per_month ?? null,
    tokensPerDay: file.tokens_per_day ?? null,
    tokensPerMonth: file.tokens_per_month ?? null,
    requestsPerMinute: file.requests_per_minute ?? null,
    tokensPerMinute: file.tokens_per_minute ?? null,
  };
}
