// Whether a request may run: its key's models, limits per minute and budgets. A refusal says which limit, and until when.
import type { Limits } from '../../ledger/keys.js';
import { refuse, type GatewayRequest, type GatewayResponse, type Trace } from '../exchange.js';
import type { KeyRing } from '../keys/ring.js';
import type { Pricing } from '../pricing.js';
import type { Question } from '../question.js';
import type { Reachable } from '../routing.js';
import type { Stages } from '../stages.js';
import { ticketOf } from '../tickets.js';
import { amountOf, measureOf } from './account.js';
import { estimate, shortestAnswer } from './estimate.js';
import type { BudgetKeeper } from './keeper.js';
import { overLimit } from './over-limit.js';

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
    const mostOf = (asked: Question) =>
      estimate(asked, edges.targetsOf(asked.model), edges.pricing(), edges.assumedOutputTokens());
    const { unpriced, ...amount } = mostOf(question);
    if (unpriced !== undefined && limited.some((account) => limitsMoney(edges.limits().get(account)))) {
      return noPrice(request, unpriced);
    }
    const answer = await edges.reserve(limited, amount);
    if (!('id' in answer)) {
      return overLimit(request, question, answer, edges.now().getTime(), ({ limit }) =>
        amountOf(mostOf(shortestAnswer(question)), measureOf(limit)),
      );
    }
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
