// A scripted model server: what it says to each probe, and how long it takes until that counts as ready.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';

import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import type { MemoryUse, ModelServer } from '../../../src/engine/engine.js';
import { readinessPrompts, type ReadinessPrompt } from '../../../src/serving/prompt.js';
import { judgeGolden, readGolden, type GoldenPrompt } from '../../../src/serving/golden.js';
import { waitUntilReady } from '../../../src/serving/readiness.js';

let folder: string;
let http: Server;
let asked: string[];
/** Statuses of /health, one a probe; afterwards 200. */
let health: number[];
let answer: unknown;
let kept: Record<string, string[]>;
let state: ModelServer;
let golden: GoldenPrompt[];
/** What is listed beside the version. */
let names: string[];
/** Where each model says something of its own. */
let answerOf: ((model: string) => unknown) | undefined;
let use: MemoryUse | null;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'mlx-ready-'));
  [asked, health, kept, golden] = [[], [], {}, []];
  names = ['tickets'];
  [answerOf, use] = [undefined, null];
  answer = completion('billing');
  http = createServer((incoming, outgoing) => void reply(incoming, outgoing));
  await once(http.listen(join(folder, 's.sock')), 'listening');
  const fixed = {
    id: 's',
    servedName: 'tickets',
    model: 'tickets',
    version: 1,
    digest: 'd',
    state: 'running',
    startedAtMs: 1,
    exitStatus: null,
  } as const;
  state = { ...fixed, address: `unix:${join(folder, 's.sock')}` };
});

afterEach(() => {
  http.closeAllConnections();
  http.close();
  rmSync(folder, { recursive: true });
});

function completion(content: string) {
  return { choices: [{ message: { content }, finish_reason: 'stop' }] };
}

async function reply(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
  const question = (await json(incoming)) as { model: string } | undefined;
  const path = incoming.url ?? '';
  asked.push(path);
  const status = path === '/health' ? (health.shift() ?? 200) : 200;
  const listed = { data: names.map((id) => ({ id })) };
  const said = (question && answerOf?.(question.model)) ?? answer;
  const value = path === '/v1/models' ? listed : said;
  outgoing.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
}

async function json(incoming: IncomingMessage): Promise<unknown> {
  const body = await text(incoming);
  return body === '' ? undefined : JSON.parse(body);
}

const heldOut: ReadinessPrompt = { messages: [{ role: 'user', content: 'My invoice is wrong' }], heldOut: true };

function wait(prompt = heldOut, lines: string[] = ['loading', 'ready']) {
  let nowMs = 0;
  return waitUntilReady(
    {
      engine: {
        listServers: () => Promise.resolve([state]),
        measureServer: () => Promise.resolve(use),
        logs: async function* () {
          yield* lines;
        },
      },
      clock: () => nowMs,
      pause: (durationMs) => {
        nowMs += durationMs;
        return Promise.resolve();
      },
      signal: new AbortController().signal,
      keepLines: (id, all) => {
        kept[id] = [...all];
        return 'kept.log';
      },
    },
    { server: state, prompts: [prompt], golden, timeoutMs: 5_000, live: null, maxSlowdown: 5 },
  );
}

test('three healthy answers in a row, the name and a real answer make a server ready', async () => {
  await wait();
  // The second look at the names is for the base.
  const answered = ['/v1/models', '/v1/chat/completions', '/v1/models'];
  expect(asked).toEqual([...Array<string>(4).fill('/health'), ...answered, '/health']);
});

test('health that falters in between starts the count again', async () => {
  health = [200, 200, 503, 200];
  await wait();
  expect(asked.filter((path) => path === '/health')).toHaveLength(8);
});

test.each([
  ['an empty answer to a held-out row', completion(''), 'empty'],
  ['an answer without an end', { choices: [{ message: { content: 'x' } }] }, 'no answer of a known form'],
  ['no answer', {}, 'no answer of a known form'],
])('%s is not ready, and the person learns what was seen', async (_title, sent, why) => {
  answer = sent;
  await expect(wait()).rejects.toMatchObject({ code: 'SERVER_NOT_READY', message: expect.stringContaining(why) });
});

test("silence is an answer to a question that is not of the model's kind", async () => {
  answer = completion('');
  await expect(wait({ ...heldOut, heldOut: false })).resolves.toBeUndefined();
});

test('a server that exits is noticed at the next probe, and its lines are kept before it is removed', async () => {
  health = [503];
  state = { ...state, state: 'exited', exitStatus: 1 };
  const lines = Array.from({ length: 40 }, (_, index) => `line ${index}`);
  await expect(wait(heldOut, lines)).rejects.toMatchObject({
    message: expect.stringMatching(/exited with status 1.*last lines:\n {2}line 28\n/s),
    hint: expect.stringContaining('kept.log'),
  });
  expect(asked).toHaveLength(1);
  expect(kept['s']).toEqual(lines);
});

test('the prompts are the first held-out rows; where there are none, a neutral question', async () => {
  const file = join(folder, 'held_out.jsonl');
  const row = (content: string) => `{"prompt":[{"role":"user","content":"${content}"}],"completion":[]}\n`;
  const prompt = (content: string) => ({ messages: [{ role: 'user', content }], heldOut: true });
  expect(await readinessPrompts(file, 2)).toMatchObject([{ heldOut: false }]);
  writeFileSync(file, `${row('first')}{"prompt":[]}\n${row('third')}`);
  expect(await readinessPrompts(file, 2)).toEqual([prompt('first')]);
  expect(await readinessPrompts(file, 3)).toEqual([prompt('first'), prompt('third')]);
  writeFileSync(file, 'not json\n');
  expect(await readinessPrompts(file, 2)).toMatchObject([{ heldOut: false }]);
});

describe('golden prompts', () => {
  const row = (limits: Partial<GoldenPrompt>): GoldenPrompt => {
    return { line: 3, messages: [], equals: undefined, contains: undefined, maxMs: undefined, ...limits };
  };

  test('that are answered right make a version ready', async () => {
    golden = [row({ equals: ' billing' }), row({ contains: 'bill', maxMs: 1_000 })];
    await wait();
  });

  test('that are answered wrong refuse it, by their lines; what is kept has no word of an answer, which is told beside', async () => {
    golden = [row({ equals: 'support' }), row({})];
    await expect(wait()).rejects.toMatchObject({
      code: 'GOLDEN_FAILED',
      exitStatus: 4,
      message: "tickets:1 got 1 of 2 golden prompts wrong:\n  line 3: the answer is not what 'equals' says",
      problems: [{ file: 'evals/golden.jsonl', line: 3, expected: 'support', actual: 'billing' }],
    });
  });

  test('have limits in words and in time', () => {
    expect(judgeGolden(row({ contains: 'x' }), 'abc', 5)).toContain('lacks');
    expect(judgeGolden(row({ maxMs: 10 }), 'abc', 11.4)).toBe('the answer took 11 ms, more than 10');
    expect(judgeGolden(row({}), ' \n', 5)).toContain('empty');
  });

  test('stand in a file, each for its model; every broken line is named', () => {
    const file = join(folder, 'golden.jsonl');
    const messages = [{ role: 'user', content: 'Hi' }];
    const lines = [
      { messages, equals: 'a' },
      { messages, model: 'other' },
      { messages, model: 'tickets', max_ms: 5 },
    ];
    writeFileSync(file, lines.map((line) => `${JSON.stringify(line)}\n`).join('\n'));
    expect(readGolden(file, 'tickets')).toMatchObject([
      { line: 1, equals: 'a' },
      { line: 5, maxMs: 5 },
    ]);
    writeFileSync(file, 'not json\n{"messages":[],"equal":"a"}\n');
    expect(() => readGolden(file, 'tickets')).toThrowError(
      expect.objectContaining({
        code: 'DATA_INVALID',
        problems: [{ line: 1 }, { line: 2 }].map((problem) => expect.objectContaining(problem) as unknown),
      }),
    );
    expect(readGolden(join(folder, 'none.jsonl'), 'tickets')).toEqual([]);
  });
});

describe('beside its base', () => {
  const says = (texts: Record<string, string[]>) => {
    names = ['tickets', 'base'];
    answerOf = (model) => completion(texts[model]?.shift() ?? 'the same');
  };

  test('a version that answers otherwise is ready', async () => {
    says({ tickets: ['checked', 'billing'], base: ['I am a base', 'I am a base'] });
    await expect(wait()).resolves.toBeUndefined();
  });

  test('one that answers all prompts as the base does is inconclusive, and so not ready', async () => {
    says({});
    await expect(wait()).rejects.toMatchObject({ code: 'ADAPTER_INCONCLUSIVE', exitStatus: 5 });
  });

  test('a base that does not say the same twice proves nothing', async () => {
    says({ tickets: ['checked', 'billing'], base: ['one thing', 'another'] });
    await expect(wait()).rejects.toMatchObject({ code: 'ADAPTER_INCONCLUSIVE' });
  });
});

describe('a server that works', () => {
  const mib = 2 ** 20;
  const plenty = { usedBytes: 900 * mib, limitBytes: 1000 * mib, freeBytes: 999 * mib, of: 'machine' as const };

  test.each([
    ['at its limit', { ...plenty, usedBytes: 960 * mib }, 'it uses 960 MiB of the 1000 MiB'],
    ['with hardly any memory left', { ...plenty, freeBytes: 100 * mib }, '100 MiB of the machine are free'],
  ])('%s is refused with the figures', async (_title, measured, why) => {
    use = measured;
    await expect(wait()).rejects.toMatchObject({ code: 'MEMORY_SHORT', message: expect.stringContaining(why) });
  });

  test.each([
    ['with memory left', plenty],
    [
      'on a GPU, of which vLLM takes all that it may',
      { ...plenty, limitBytes: null, freeBytes: 0, of: 'gpu' as const },
    ],
    ['that cannot be measured', null],
  ])('%s is ready', async (_title, measured) => {
    use = measured;
    await expect(wait()).resolves.toBeUndefined();
  });
});
