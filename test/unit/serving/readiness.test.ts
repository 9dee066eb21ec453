// A scripted model server: what it says to each probe, and how long it takes until that counts as ready.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { once } from 'node:events';

import { afterEach, beforeEach, expect, test } from 'vitest';

import type { ModelServer } from '../../../src/engine/engine.js';
import { readinessPrompt, type ReadinessPrompt } from '../../../src/serving/prompt.js';
import { waitUntilReady } from '../../../src/serving/readiness.js';

let folder: string;
let http: Server;
let asked: string[];
/** Statuses of /health, one a probe; afterwards 200. */
let health: number[];
let answer: unknown;
let kept: Record<string, string[]>;
let state: ModelServer;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'mlx-ready-'));
  [asked, health, kept] = [[], [], {}];
  answer = completion('billing');
  http = createServer((incoming, outgoing) => {
    incoming.resume();
    const path = incoming.url ?? '';
    asked.push(path);
    const status = path === '/health' ? (health.shift() ?? 200) : 200;
    const value = path === '/v1/models' ? { data: [{ id: 'base' }, { id: 'tickets' }] } : answer;
    outgoing.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
  });
  await once(http.listen(join(folder, 's.sock')), 'listening');
  const fixed = {
    id: 's',
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

const heldOut: ReadinessPrompt = { messages: [{ role: 'user', content: 'My invoice is wrong' }], heldOut: true };

function wait(prompt = heldOut, lines: string[] = ['loading', 'ready']) {
  let nowMs = 0;
  return waitUntilReady(
    {
      engine: {
        listServers: () => Promise.resolve([state]),
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
    { server: state, prompt, timeoutMs: 5_000 },
  );
}

test('three healthy answers in a row, the name and a real answer make a server ready', async () => {
  await wait();
  expect(asked).toEqual(['/health', '/health', '/health', '/health', '/v1/models', '/v1/chat/completions']);
});

test('health that falters in between starts the count again', async () => {
  health = [200, 200, 503, 200];
  await wait();
  expect(asked.filter((path) => path === '/health')).toHaveLength(7);
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

test('the prompt is the first held-out row; where there is none, a neutral question', async () => {
  const file = join(folder, 'held_out.jsonl');
  expect(await readinessPrompt(file)).toMatchObject({ heldOut: false });
  writeFileSync(file, '{"prompt":[{"role":"user","content":"first"}],"completion":[]}\n{"prompt":[]}\n');
  expect(await readinessPrompt(file)).toEqual({ messages: [{ role: 'user', content: 'first' }], heldOut: true });
  writeFileSync(file, 'not json\n');
  expect(await readinessPrompt(file)).toMatchObject({ heldOut: false });
});
