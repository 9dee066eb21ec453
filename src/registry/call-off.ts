// A rollback leaves behind the version whose server is just being started again, by the gateway most of the time: it does not wait for that.
import { ownerIsAlive, ownerPid } from '../engine/owner.js';
import { isRestart, openPromotions, type Promotion } from '../ledger/promotions.js';
import type { PromotionEdges } from './edges.js';

const lookEveryMs = 50;
/** One that does not end is left to itself: the rollback is told BUSY then. */
const longestMs = 30_000;

/** As Ctrl-C does: it stops what it has started, or finishes where it has switched already. */
export async function callOffRestart(
  { ledger, onNote, pause, clock, signal }: Pick<PromotionEdges, 'ledger' | 'onNote' | 'pause' | 'clock' | 'signal'>,
  model: string,
  alias: string,
): Promise<void> {
  const running = (): Promotion | undefined =>
    openPromotions(ledger).find((one) => one.model === model && one.alias === alias && isRestart(one));
  const owner = running()?.owner;
  if (owner === undefined || owner === null || !ownerIsAlive(owner) || ownerPid(owner) === process.pid) return;
  onNote(`The start of ${model}'s server that is under way is called off.`);
  process.kill(ownerPid(owner), 'SIGINT');
  const untilMs = clock() + longestMs;
  while (running()?.owner === owner && ownerIsAlive(owner) && clock() < untilMs && !signal.aborted)
    await pause(lookEveryMs, signal);
}
