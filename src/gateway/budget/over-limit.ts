// What a client is told whose request is over a limit: which one, and until when, or what to change where no waiting helps.
import { refuse, type GatewayRequest, type GatewayResponse } from '../exchange.js';
import type { Question } from '../question.js';
import { isHopeless, type Refused } from './checks.js';
import { answersOf } from './estimate.js';

/** How much would do with the shortest answer, in the unit of the limit. */
export type LeastNeeded = (refused: Refused) => number;

/** Official clients retry a 429 by themselves, unless they are told that it is in vain. */
const inVain = { 'x-should-retry': 'false' };

export function overLimit(
  request: GatewayRequest,
  question: Question,
  refused: Refused,
  nowMs: number,
  leastNeeded: LeastNeeded,
): GatewayResponse {
  const perMinute = refused.limit.endsWith('PerMinute');
  request.trace.errorClass = perMinute ? 'rate_limited' : 'budget_exceeded';
  const waitS = Math.max(1, Math.ceil((refused.resetsAtMs - nowMs) / 1000));
  const headers = { 'retry-after': String(waitS) };
  if (perMinute) {
    const message = `${describe(refused)}. Try again in ${waitS} s.`;
    return refuse(request, { status: 429, type: 'rate_limit_error', code: 'rate_limit_exceeded', message }, headers);
  }
  const until = new Date(refused.resetsAtMs).toISOString();
  const hopeless = isHopeless(refused);
  const message = hopeless
    ? `${describeHopeless(refused)}. ${advice(question, refused, leastNeeded)}`
    : `${describe(refused)}. It begins anew at ${until} (UTC).`;
  // OpenAI's clients know a spent quota as a 429; Anthropic's as a 402. Neither is to be tried again by itself.
  const status = request.trace.dialect === 'anthropic' ? 402 : 429;
  return refuse(
    request,
    { status, type: 'insufficient_quota', code: 'insufficient_quota', message },
    hopeless ? inVain : { ...headers, ...inVain },
  );
}

function describe(refused: Refused): string {
  const { allowed, taken, needed } = refused;
  const large =
    taken < allowed && needed > 0
      ? `, and this request may need ${show(refused, needed)}; a smaller max_tokens needs less`
      : '';
  return `${limitText(refused)} is used up or promised to running requests (${show(refused, taken)})${large}`;
}

function describeHopeless(refused: Refused): string {
  const needed = show(refused, refused.needed);
  if (refused.allowed === 0) return `${limitText(refused)} allows no request at all, now or later`;
  return `${limitText(refused)} is less than this request alone may need at most (${needed}), now or later`;
}

function advice(question: Question, refused: Refused, leastNeeded: LeastNeeded): string {
  const { operation, fields } = question;
  const ask = 'ask whoever runs this gateway for a higher limit.';
  if (refused.allowed === 0) return `It does not help to wait: ${ask}`;
  const field = answerField(operation, fields);
  if (field === undefined) return `It does not help to wait: send less at once, or ${ask}`;
  if (leastNeeded(refused) > refused.allowed) {
    const less = answersOf(question) > 1 ? 'ask for fewer answers at once' : 'send less';
    return `It does not help to wait, nor a smaller ${field} alone: ${less}, or ${ask}`;
  }
  const lower = field in fields ? `lower ${field}` : `set ${field}, without which a long answer is reckoned with`;
  return `It does not help to wait: ${lower}, or ${ask}`;
}

/** Where a client says how long an answer may be. undefined: these answers have no length. */
function answerField(operation: Question['operation'], fields: Question['fields']): string | undefined {
  if (operation === 'embeddings' || operation === 'count_tokens') return undefined;
  if (operation === 'responses') return 'max_output_tokens';
  return 'max_completion_tokens' in fields ? 'max_completion_tokens' : 'max_tokens';
}

/** The ids of other accounts are not this client's business: whose limit it is, is said by its kind. */
function limitText(refused: Refused): string {
  const { account, limit, allowed } = refused;
  const [kind = ''] = account.split(':');
  const whose = { key: 'of this key', tenant: 'of this tenant', feature: 'of this feature' }[kind] ?? 'of this gateway';
  const unit = limit.startsWith('usd') ? 'USD' : limit.startsWith('tokens') ? 'tokens' : 'requests';
  const period = limit.endsWith('Minute') ? 'a minute' : limit.endsWith('Day') ? 'a day' : 'a month';
  return `The limit ${whose}, ${show(refused, allowed)} ${unit} ${period},`;
}

function show({ limit }: Refused, amount: number): string {
  return limit.startsWith('usd') ? (amount / 1e9).toFixed(4) : String(amount);
}
