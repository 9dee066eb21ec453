// A breaker per upstream, as a pure machine: of the last calls so many failed that the next ones are refused at once, until one
// probe finds the upstream well again. Counts calls, not time: a small team makes few.

export type Breaker =
  { state: 'closed'; outcomes: readonly Outcome[] } | { state: 'open'; untilMs: number } | { state: 'half_open' };

export type Outcome = { failed: boolean; atMs: number };

/** `cancelled`: the client left, which says nothing about the upstream. */
export type Verdict = 'well' | 'failed' | 'cancelled';

export const breakerRules = { window: 20, atLeast: 5, failedShare: 0.5, forgetAfterMs: 60_000, openForMs: 10_000 };

export const closedBreaker: Breaker = { state: 'closed', outcomes: [] };

/** Whether a call may begin now. While a probe is on its way, none other may. */
export function permits(breaker: Breaker, nowMs: number): boolean {
  return breaker.state === 'closed' || (breaker.state === 'open' && nowMs >= breaker.untilMs);
}

/** Only where `permits` said yes. `probe` goes back into `settle`. */
export function begin(breaker: Breaker): { breaker: Breaker; probe: boolean } {
  return breaker.state === 'closed' ? { breaker, probe: false } : { breaker: { state: 'half_open' }, probe: true };
}

/** Calls that began before the breaker opened end without changing it. */
export function settle(breaker: Breaker, call: { probe: boolean; verdict: Verdict }, nowMs: number): Breaker {
  const { openForMs, window, forgetAfterMs } = breakerRules;
  if (call.probe) {
    if (call.verdict === 'well') return closedBreaker;
    // A probe that was called off frees its place for the next one at once.
    return { state: 'open', untilMs: call.verdict === 'failed' ? nowMs + openForMs : nowMs };
  }
  if (breaker.state !== 'closed' || call.verdict === 'cancelled') return breaker;
  const failed = call.verdict === 'failed';
  if (!failed && breaker.outcomes.length === 0) return breaker;
  const recent = breaker.outcomes.filter(({ atMs }) => nowMs - atMs < forgetAfterMs);
  const outcomes = [...recent, { failed, atMs: nowMs }].slice(-window);
  if (hasTripped(outcomes)) return { state: 'open', untilMs: nowMs + openForMs };
  return recent.length === 0 && !failed ? closedBreaker : { state: 'closed', outcomes };
}

function hasTripped(outcomes: readonly Outcome[]): boolean {
  const failures = outcomes.filter(({ failed }) => failed).length;
  return outcomes.length >= breakerRules.atLeast && failures >= outcomes.length * breakerRules.failedShare;
}
