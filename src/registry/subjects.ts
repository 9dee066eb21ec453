// What each step of a switch acts on and what was there before, as the journal keeps it: enough to do the step again, or to
// undo it, after a crash.
import { z } from 'zod';

import { listSteps, type PromotionStep } from '../ledger/promotion-steps.js';
import type { Ledger } from '../ledger/open.js';

const engine = z.enum(['docker', 'host']);

const route = z.object({
  name: z.string(),
  model: z.string(),
  version: z.number(),
  digest: z.string(),
  serverId: z.string(),
  engine,
  address: z.string(),
  servedName: z.string().nullable().optional(),
  updatedAtMs: z.number(),
});

const subjects = {
  /** `into`: only its adapter, into that server. */
  start: z.object({ step: z.literal('start'), serverId: z.string(), engine, into: z.string().optional() }),
  ready: z.object({ step: z.literal('ready'), serverId: z.string() }),
  flip: z.object({ step: z.literal('flip'), before: route.nullable(), after: route }),
  /** Image tags by digest, aliases of the ledger by version. `before` null: there was none; `after` null: there is none any more. */
  tags: z.object({
    step: z.literal('tags'),
    model: z.string(),
    tags: z.array(z.object({ tag: z.string(), engine, before: z.string().nullable(), after: z.string().nullable() })),
    aliases: z.array(z.object({ alias: z.string(), before: z.number().nullable(), after: z.number().nullable() })),
  }),
  /** Requests of a route wait in the gateway, until the release or the time is over. */
  hold: z.object({ step: z.literal('hold'), route: z.string(), untilMs: z.number() }),
  /** The server that had the route, before there is another one. */
  stop: z.object({ step: z.literal('stop'), former: route }),
  /** The server that had the route gives its memory to the new one, and is woken for the way back. */
  sleep: z.object({ step: z.literal('sleep'), former: route }),
  /** The server of the version that gets the route, which slept. */
  wake: z.object({ step: z.literal('wake'), serverId: z.string(), engine, address: z.string() }),
  release: z.object({ step: z.literal('release'), route: z.string() }),
  /** Beyond it there is no way back: the old server may be gone. `warm`: it is kept, for so long. */
  drain: z.object({
    step: z.literal('drain'),
    engines: z.array(engine),
    warm: z.object({ serverId: z.string(), version: z.number(), engine, untilMs: z.number() }).nullable(),
  }),
};

const subjectSchema = z.discriminatedUnion('step', [
  subjects.hold,
  subjects.stop,
  subjects.sleep,
  subjects.wake,
  subjects.start,
  subjects.ready,
  subjects.flip,
  subjects.release,
  subjects.tags,
  subjects.drain,
]);

export type Subject = z.infer<typeof subjectSchema>;
export type StepName = Subject['step'];
export type SubjectOf<Name extends StepName> = Extract<Subject, { step: Name }>;

export type JournalEntry = Pick<PromotionStep, 'promotionId' | 'position' | 'state'> & { subject: Subject };

/** Of the switch alone: what is seen of the version afterwards (`watch`, `share`) stands in the same journal, and is not to be done again. */
export function readJournal(ledger: Ledger, promotionId: number): JournalEntry[] {
  return listSteps(ledger, promotionId)
    .filter(({ step }) => step in subjects)
    .map(({ subject, position, state }) => {
      return { promotionId, position, state, subject: subjectSchema.parse(JSON.parse(subject)) };
    });
}

/** @returns undefined when that step was never begun */
export function subjectOf<Name extends StepName>(
  entries: readonly JournalEntry[],
  step: Name,
): SubjectOf<Name> | undefined {
  return entries.map(({ subject }) => subject).find((subject): subject is SubjectOf<Name> => subject.step === step);
}
