import { connect } from 'node:net';
import { join } from 'node:path';

import { request } from 'undici';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import { postTo, question, refusal, startBench, startStandIn, type Bench, type StandIn } from './stand-in.js';

let bench: Bench;
let server: StandIn;

beforeEach(async () => {
  bench = await startBench();
  server = await startStandIn(join(bench.folder, 'one.sock'));
  await bench.route({ address: server.address, serverId: 'tickets-v1-a' });
});

afterEach(async () => {
  await server.close();
  await bench.close();
});

const post = (path: string, body: string | Buffer, headers?: Record<string, string>, signal?: AbortSignal) =>
  postTo(bench, path, body, headers, signal);

test('a refusal names the request as every answer does, so that it can be found in the traffic log', async () => {
  const [plain, anthropic] = await Promise.all(
    ['/v1/chat/completions', '/v1/messages'].map((path) =>
      postTo(bench, path, question, { authorization: 'Bearer x' }),
    ),
  );
  expect([plain?.statusCode, plain?.headers['x-request-id']]).toEqual([401, expect.stringMatching(/^req_/)]);
  expect(anthropic?.headers['request-id']).toBe(anthropic?.headers['x-request-id']);
  await Promise.all([plain?.body.dump(), anthropic?.body.dump()]);
});

describe('refused', () => {
  test.each([
    ['no key', { authorization: '' }],
    ['another scheme', { authorization: 'Basic abc' }],
    ['the beginning of the key', { authorization: 'Bearer mlx_' }],
    ['a key with quotes and SQL', { authorization: "Bearer ' OR 1=1 --" }],
    ['a very long key', { authorization: `Bearer ${'a'.repeat(10_000)}` }],
  ])('%s', async (_title, headers) => {
    expect(await refusal(await post('/v1/chat/completions', question, headers))).toMatchObject({
      status: 401,
      code: 'invalid_api_key',
    });
    expect(server.calls).toHaveLength(0);
  });

  test('the key with one character changed, or one too many', async () => {
    for (const key of [`${bench.key.slice(0, -1)}${bench.key.endsWith('A') ? 'B' : 'A'}`, `${bench.key}A`]) {
      const answer = await post('/v1/models', '', { authorization: `Bearer ${key}` });
      await answer.body.dump();
      expect([401, 405]).toContain(answer.statusCode);
      expect((await refusal(await post('/v1/completions', question, { authorization: `Bearer ${key}` }))).status).toBe(
        401,
      );
    }
  });

  test.each([
    ['{"model":', 'invalid_json'],
    ['[]', 'invalid_json'],
    ['', 'invalid_json'],
    ['{"messages":[]}', 'invalid_type'],
    ['{"model":{"name":"tickets"}}', 'invalid_type'],
  ])('the body %s with 400', async (body, code) => {
    expect(await refusal(await post('/v1/chat/completions', body))).toMatchObject({ status: 400, code });
  });

  test('an unknown model, with the names that there are', async () => {
    const answer = await refusal(await post('/v1/chat/completions', '{"model":"gpt-4o"}'));
    expect(answer).toMatchObject({ status: 404, code: 'model_not_found' });
    expect(answer.message).toContain('tickets');
  });

  test('a body of more than 32 MiB', async () => {
    const large = Buffer.alloc(33 * 1024 * 1024, 'a');
    expect(await refusal(await post('/v1/chat/completions', large))).toMatchObject({
      status: 413,
      code: 'body_too_large',
    });
    expect(server.calls).toHaveLength(0);
  });

  test.each([
    '/v1/metrics',
    '/v1/load_lora_adapter',
    '/v1/unload_lora_adapter',
    '/v1/load_lora_adapter?x=/v1/chat/completions',
    '/adapters',
    '/sleep?level=1',
    '/v1/wake_up',
    '/wake_up',
    '/is_sleeping',
    '/collective_rpc',
    '/v1/chat/completions/',
    '/v1/../tokenize',
    '//v1/models',
    '/',
  ])('the path %s, whatever the server behind offers', async (path) => {
    expect(await refusal(await post(path, question))).toMatchObject({ status: 404, code: 'unknown_url' });
  });

  test('a method that an endpoint does not take', async () => {
    const answer = await request(`${bench.url}/v1/chat/completions`);
    expect(answer.headers['allow']).toBe('POST');
    expect(await refusal(answer)).toMatchObject({ status: 405 });
  });

  test.each([
    ['another name (DNS rebinding)', 'Host: rebind.example', 403],
    ['another port', 'Host: localhost:1', 403],
    ['a path in it', 'Host: localhost/?x=', 403],
    ['two of them', 'Host: OWN\r\nHost: OWN', 403],
    ['none', 'X-Nothing: 1', 400],
  ])('a Host header with %s', async (_title, header, status) => {
    const own = `127.0.0.1:${bench.gateway.port}`;
    expect(await rawStatus(`GET /health HTTP/1.1\r\n${header.replaceAll('OWN', own)}\r\n\r\n`)).toBe(status);
  });

  test.each(['http://rebind.example/v1/models', 'http://127.0.0.1/health', '*', 'v1/models'])(
    'the target %s, which is no plain path, with or without a key',
    async (target) => {
      const head = `GET ${target} HTTP/1.1\r\nHost: 127.0.0.1:${bench.gateway.port}\r\n`;
      expect([400, 404]).toContain(await rawStatus(`${head}\r\n`));
      expect([400, 404]).toContain(await rawStatus(`${head}Authorization: Bearer ${bench.key}\r\n\r\n`));
    },
  );

  test('headers without an end, and lines that are none', async () => {
    const head = `POST /v1/completions HTTP/1.1\r\nHost: 127.0.0.1:${bench.gateway.port}\r\n`;
    expect(await rawStatus(`${head}X-Long: ${'a'.repeat(64 * 1024)}\r\n\r\n`)).toBe(431);
    expect(await rawStatus(`${head}X-Odd: a\u0000b\r\n\r\n`)).toBe(400);
    expect(await rawStatus(`${head}X Odd: a\r\n\r\n`)).toBe(400);
    expect(await rawStatus(`${head}X-Odd: a\rX-More: b\r\n\r\n`)).toBe(400);
    expect(server.calls).toHaveLength(0);
  });

  test('a request whose length is told twice, differently (smuggling)', async () => {
    const head = `POST /v1/completions HTTP/1.1\r\nHost: 127.0.0.1:${bench.gateway.port}\r\nAuthorization: Bearer ${bench.key}\r\n`;
    const smuggled = '0\r\n\r\nPOST /v1/completions HTTP/1.1\r\nHost: x\r\n\r\n';
    expect(await rawStatus(`${head}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n${smuggled}`)).toBe(400);
    expect(await rawStatus(`${head}Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello`)).toBe(400);
    expect(server.calls).toHaveLength(0);
  });

  test('a model while none is served yet, with what to do', async () => {
    const empty = await startBench();
    const answer = await request(`${empty.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${empty.key}` },
      body: question,
    });
    expect(answer.headers['retry-after']).toBe('5');
    expect(await refusal(answer)).toMatchObject({ status: 503, code: 'no_route' });
    await empty.close();
  });
});

/** Status of the first answer to bytes that no client library would send. */
function rawStatus(bytes: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const socket = connect(bench.gateway.port, '127.0.0.1', () => socket.write(bytes));
    socket.once('data', (answer) => {
      resolve(Number(/^HTTP\/1.1 (\d+)/.exec(answer.toString('latin1'))?.[1]));
      socket.destroy();
    });
    socket.once('error', reject);
  });
}
