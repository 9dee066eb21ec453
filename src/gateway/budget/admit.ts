// Whether a request may run: its key's models, limits per minute and budgets. A refusal says which limit, and until when.
import type { Limits } from '../../ledger/keys.js';
import { refuse, type GatewayRequest, type GatewayResponse, type Trace } from '../exchange.js';
import type { KeyRing } from '../keys/ring.js';
import type { Pricing } from '../pricing.js';
import type { Question } from '../question.js';
import type { Reachable } from '../routing.js';
import type { Stages } from '../stages.js';
import { ticketOf } from '../tickets.js';
import type { Refused } from './checks.js';
import { estimate } from './estimate.js';
import type { BudgetKeeper } from './keeper.js';

export type AdmitEdges = {
  ring: () => KeyRing;
  reserve: BudgetKeeper['reserve'];
  /** Accounts that have limits at all, with them. */
  limits: () => ReadonlyMap<string, Limits>;
  pricing: () => Pricing;
  /** Every model that a route may end at. */
  targetsOf: (route: string) => readonly Reachable[];
  assumedOutputTokens: () => number;
  now: () => Date;
};

export function admit(edges: AdmitEdges): Stages['admit'] {
  return async (request, question) => {
    const { trace } = request;
    const ticket = ticketOf(trace);
    ticket.bodyBytes = question.body.length;
    const models = edges.ring().byId(trace.keyId ?? '')?.models;
    if (models && !models.has(question.model)) return notForThisKey(request, question, [...models]);
    const limited = accountsOf(trace).filter((account) => edges.limits().has(account));
    if (limited.length === 0) return undefined;
    const most = estimate(question, edges.targetsOf(question.model), edges.pricing(), edges.assumedOutputTokens());
    const { unpriced, ...amount } = most;
    if (unpriced !== undefined && limited.some((account) => limitsMoney(edges.limits().get(account)))) {
      return noPrice(request, unpriced);
    }
    const answer = await edges.reserve(limited, amount);
    if (!('id' in answer)) return overLimit(request, answer, edges.now().getTime());
    ticket.reservationId = answer.id;
    return undefined;
  };
}

/** The account of everything holds the owner's own requests too. */
export function accountsOf({ keyId, tenant, feature }: Pick<Trace, 'keyId' | 'tenant' | 'feature'>): string[] {
  const accounts: string[] = [];
  if (keyId !== undefined) accounts.push(`key:${keyId}`);
  if (tenant !== undefined) accounts.push(`tenant:${tenant}`);
  if (feature !== undefined) accounts.push(`feature:${feature}`);
  accounts.push('everything');
  return accounts;
}

function limitsMoney(limits: Limits | undefined): boolean {
  return limits !== undefined && (limits.usdPerDay !== null || limits.usdPerMonth !== null);
}

function notForThisKey(request: GatewayRequest, { model }: Question, models: string[]): GatewayResponse {
  request.trace.errorClass = 'model_not_allowed';
  return refuse(request, {
    status: 403,
    type: 'invalid_request_error',
    code: 'model_not_allowed',
    param: 'model',
    message: `This key is not for the model '${model.slice(0, 100)}', but for: ${models.join(', ')}`,
  });
}

function noPrice(request: GatewayRequest, model: string): GatewayResponse {
  request.trace.errorClass = 'price_unknown';
  return refuse(request, {
    status: 403,
    type: 'invalid_request_error',
    code: 'price_unknown',
    message: `No price is known for ${model}, so a budget in USD cannot hold. Name its price in mlx.yaml: gateway.prices.`,
  });
}

function overLimit(request: GatewayRequest, refused: Refused, nowMs: number): GatewayResponse {
  const perMinute = refused.limit.endsWith('PerMinute');
  request.trace.errorClass = perMinute ? 'rate_limited' : 'budget_exceeded';
  const waitS = Math.max(1, Math.ceil((refused.resetsAtMs - nowMs) / 1000));
  const headers = { 'retry-after': String(waitS) };
  if (perMinute) {
    const message = `${describe(refused)}. Try again in ${waitS} s.`;
    return refuse(request, { status: 429, type: 'rate_limit_error', code: 'rate_limit_exceeded', message }, headers);
  }
  const until = new Date(refused.resetsAtMs).toISOString();
  const message = `${describe(refused)}. It begins anew at ${until} (UTC).`;
  // OpenAI's clients know a spent quota as a 429; Anthropic's as a 402. Neither is to be tried again by itself.
  const status = request.trace.dialect === 'anthropic' ? 402 : 429;
  return refuse(
    request,
    { status, type: 'insufficient_quota', code: 'insufficient_quota', message },
    { ...headers, 'x-should-retry': 'false' },
  );
}

/** The ids of other accounts are not this client's business: whose limit it is, is said by its kind. */
function describe({ account, limit, allowed, taken, needed }: Refused): string {
  const [kind = ''] = account.split(':');
  const whose = { key: 'of this key', tenant: 'of this tenant', feature: 'of this feature' }[kind] ?? 'of this gateway';
  const unit = limit.startsWith('usd') ? 'USD' : limit.startsWith('tokens') ? 'tokens' : 'requests';
  const show = (amount: number): string => (unit === 'USD' ? (amount / 1e9).toFixed(4) : String(amount));
  const period = limit.endsWith('Minute') ? 'a minute' : limit.endsWith('Day') ? 'a day' : 'a month';
  const large =
    taken < allowed && needed > 0 ? `, and this request may need ${show(needed)}; a smaller max_tokens needs less` : '';
  const limited = `The limit ${whose}, ${show(allowed)} ${unit} ${period},`;
  if (taken === 0)
    return `${limited} is less than this request may need at most (${show(needed)}); a smaller max_tokens needs less`;
  return `${limited} is used up or promised to running requests (${show(taken)})${large}`;
}
