// The journal of a promotion: each step is a row before it is done, so that whoever comes after a crash knows what may be there.
import { write, type Ledger } from './open.js';

export type StepState = 'begun' | 'done' | 'undone';

export type PromotionStep = {
  promotionId: number;
  position: number;
  step: string;
  /** JSON: what the step acts on, with what was there before. */
  subject: string;
  /** JSON: what it found out, of a watch. */
  result: string | null;
  state: StepState;
  begunAtMs: number;
  endedAtMs: number | null;
};

/** @returns the step's position, counted from 1 */
export function beginStep(
  ledger: Ledger,
  step: Pick<PromotionStep, 'promotionId' | 'step' | 'subject' | 'begunAtMs'>,
): number {
  return write(ledger, () => {
    const position = 1 + Number(countSteps(ledger, step.promotionId));
    ledger.database
      .prepare(
        `INSERT INTO promotion_steps (promotion_id, position, step, subject, state, begun_at_ms)
         VALUES (@promotionId, @position, @step, @subject, 'begun', @begunAtMs)`,
      )
      .run({ ...step, position });
    return position;
  });
}

export function endStep(
  ledger: Ledger,
  { promotionId, position }: Pick<PromotionStep, 'promotionId' | 'position'>,
  state: 'done' | 'undone',
  endedAtMs: number,
  result: string | null = null,
): void {
  write(ledger, () =>
    ledger.database
      .prepare(
        'UPDATE promotion_steps SET state = ?, ended_at_ms = ?, result = ? WHERE promotion_id = ? AND position = ?',
      )
      .run(state, endedAtMs, result, promotionId, position),
  );
}

/** Of all promotions, those of that name that have not ended. */
export function openSteps(
  ledger: Ledger,
  step: string,
): { model: string; alias: string; subject: PromotionStep['subject'] }[] {
  return ledger.database
    .prepare(
      `SELECT model, alias, subject FROM promotion_steps JOIN promotions ON id = promotion_id
       WHERE step = ? AND promotion_steps.state = 'begun'`,
    )
    .all(step) as { model: string; alias: string; subject: string }[];
}

/** In the order in which they were begun. */
export function listSteps(ledger: Ledger, promotionId: number): PromotionStep[] {
  return ledger.database
    .prepare(
      `SELECT promotion_id AS promotionId, position, step, subject, result, state, begun_at_ms AS begunAtMs, ended_at_ms AS endedAtMs
       FROM promotion_steps WHERE promotion_id = ? ORDER BY position`,
    )
    .all(promotionId) as PromotionStep[];
}

/**
 * How long the latest server of a model (with `swapped`, the latest adapter that was loaded into a running one) took from its start
 * until it was ready; null when none ever was.
 */
export function lastStartMs(ledger: Ledger, model: string, swapped = false): number | null {
  const found = ledger.database
    .prepare(
      `SELECT ready.ended_at_ms - start.begun_at_ms FROM promotion_steps AS ready
         JOIN promotion_steps AS start ON start.promotion_id = ready.promotion_id AND start.step = 'start'
         JOIN promotions ON promotions.id = ready.promotion_id
       WHERE ready.step = 'ready' AND ready.state = 'done' AND promotions.model = ?
         AND (start.subject ->> '$.into' IS NOT NULL) = ? ORDER BY ready.promotion_id DESC LIMIT 1`,
    )
    .pluck()
    .get(model, swapped ? 1 : 0) as number | undefined;
  return found ?? null;
}

/** How long requests waited, the last time that a server of this model was woken for them; null when none ever was. */
export function lastWakeMs(ledger: Ledger, model: string): number | null {
  const found = ledger.database
    .prepare(
      `SELECT ready.ended_at_ms - first.begun_at_ms FROM promotion_steps AS ready
         JOIN promotion_steps AS wake ON wake.promotion_id = ready.promotion_id AND wake.step = 'wake'
         JOIN promotion_steps AS first ON first.promotion_id = ready.promotion_id AND first.position = 1
         JOIN promotions ON promotions.id = ready.promotion_id
       WHERE ready.step = 'ready' AND ready.state = 'done' AND promotions.model = ?
         AND NOT EXISTS (SELECT 1 FROM promotion_steps WHERE promotion_id = ready.promotion_id AND step = 'start')
       ORDER BY ready.promotion_id DESC LIMIT 1`,
    )
    .pluck()
    .get(model) as number | undefined;
  return found ?? null;
}

function countSteps(ledger: Ledger, promotionId: number): unknown {
  return ledger.database
    .prepare('SELECT count(*) FROM promotion_steps WHERE promotion_id = ?')
    .pluck()
    .get(promotionId);
}
