import { describe, expect, test } from 'vitest';

import { measurePace, paceProblem, requirePace, type Pace } from '../../../src/serving/pace.js';
import type { ReadinessPrompt } from '../../../src/serving/prompt.js';

const live: Pace = { answerMs: 400, tokenMs: 40 };

describe('a version is too slow', () => {
  test.each<[string, Pace, Pace, boolean]>([
    ['that takes more than so many times as long', { answerMs: 2_001, tokenMs: 201 }, live, true],
    ['not up to so many times', { answerMs: 2_000, tokenMs: 200 }, live, false],
    ['not where its answers are longer, token by token as fast', { answerMs: 4_000, tokenMs: 50 }, live, false],
    ['not where its answers are shorter, and the first token costs', { answerMs: 600, tokenMs: 600 }, live, false],
    ['never below half a second', { answerMs: 500, tokenMs: 500 }, { answerMs: 1, tokenMs: 1 }, false],
    ['by the answer alone where one of them counts no tokens', { answerMs: 2_100, tokenMs: null }, live, true],
    [
      'also beside one that takes no time that can be told',
      { answerMs: 501, tokenMs: null },
      { answerMs: 0, tokenMs: 0 },
      true,
    ],
  ])('%s', (_title, candidate, other, slow) => {
    expect(paceProblem(candidate, other, 5) !== undefined).toBe(slow);
  });

  test('never where that is switched off, and it is said with both figures', () => {
    const slow = { answerMs: 4_000, tokenMs: 400 };
    expect(paceProblem(slow, live, 0)).toBeUndefined();
    expect(paceProblem(slow, live, 5)).toBe(
      "its answers take 4000 ms, 400.0 ms a token, the other's 400 ms, 40.0 ms a token (10.0 times as long; at most 5)",
    );
  });
});

describe('before the route changes', () => {
  /** What each measurement finds, in turn; null: no question was answered. */
  function required(found: (Pace | null)[], maxSlowdown = 5) {
    const pauses: number[] = [];
    const edges = { pause: async (durationMs: number) => void pauses.push(durationMs), signal: AbortSignal.any([]) };
    const measure = async () => found.shift() ?? null;
    const beside = { version: 'tickets:2', live: { ...live, version: 'tickets:1' }, maxSlowdown };
    return { pauses, outcome: requirePace(edges, measure, beside) };
  }
  const slow = { answerMs: 4_000, tokenMs: 400 };

  test('a version that answers no question at all, three times, is refused', async () => {
    await expect(required([null, null, null]).outcome).rejects.toThrow(
      "tickets:2 is far slower than tickets:1, which is live: it answered none of 3 questions, the other's answers take 400 ms, 40.0 ms a token.",
    );
  });

  test('one that is slow because something else was busy is measured again', async () => {
    const { pauses, outcome } = required([slow, slow, live]);
    await outcome;
    expect(pauses).toHaveLength(2);
  });

  test('nothing is measured where that is switched off', async () => {
    const found = [slow];
    await required(found, 0).outcome;
    expect(found).toHaveLength(1);
  });
});

describe('the pace of a server', () => {
  const prompt = (content: string): ReadinessPrompt => ({ messages: [{ role: 'user', content }], heldOut: true });

  /** A server whose answers take so long; null: it answers with an error. */
  function answering(durationsMs: (number | null)[], tokens: number | null = 10) {
    let nowMs = 0;
    const asked: string[] = [];
    const complete = async (_model: string, { messages }: ReadinessPrompt) => {
      const durationMs = durationsMs[asked.push(messages[0]?.content ?? '') - 1] ?? null;
      nowMs += durationMs ?? 0;
      return durationMs === null ? { ok: false as const, seen: '500' } : { ok: true as const, text: 'billing', tokens };
    };
    return { client: { complete }, clock: () => nowMs, asked };
  }

  test('is that of the middle one of three answers', async () => {
    const { client, clock, asked } = answering([900, 100, 200]);
    expect(await measurePace(client, 'tickets', [prompt('a'), prompt('b')], clock)).toEqual({
      answerMs: 200,
      tokenMs: 20,
    });
    expect(asked).toEqual(['a', 'b', 'a']);
  });

  test('is told by one answer that takes ten seconds', async () => {
    const { client, clock, asked } = answering([10_001, 1, 1]);
    expect(await measurePace(client, 'tickets', [prompt('a')], clock)).toMatchObject({ answerMs: 10_001 });
    expect(asked).toHaveLength(1);
  });

  test('leaves out what was not answered, and has no figure for tokens that nobody counts', async () => {
    const { client, clock } = answering([null, 50, null], null);
    expect(await measurePace(client, 'tickets', [prompt('a')], clock)).toEqual({ answerMs: 50, tokenMs: null });
    const silent = answering([null, null, null]);
    expect(await measurePace(silent.client, 'tickets', [prompt('a')], silent.clock)).toBeNull();
  });
});
