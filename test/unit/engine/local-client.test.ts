// The small client that commands use, against a server on a socket.
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, expect, test } from 'vitest';

import { localClient, type LocalClient } from '../../../src/engine/local-client.js';

let folder: string;
let server: Server;
let client: LocalClient;
let connections: number;
/** Questions of the server's first connections that it breaks off at instead of answering, by their number on it. */
let resets: number[];

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'mlx-local-'));
  connections = 0;
  resets = [];
  server = createServer((incoming, outgoing) => {
    const parts: Buffer[] = [];
    incoming.on('data', (part: Buffer) => parts.push(part));
    incoming.on('end', () => {
      if (incoming.url === '/silent') return;
      outgoing.writeHead(incoming.url === '/wrong' ? 500 : 200);
      outgoing.end(`${incoming.method} ${Buffer.concat(parts).toString()}`);
    });
  });
  server.on('connection', (socket) => {
    connections += 1;
    const [resetAt] = resets.splice(0, 1);
    let questions = 0;
    socket.on('data', () => {
      questions += 1;
      if (questions === resetAt) socket.destroy();
    });
  });
  const socket = join(folder, 's.sock');
  await once(server.listen(socket), 'listening');
  client = localClient(`unix:${socket}`);
});

afterEach(() => {
  client.close();
  server.close();
  rmSync(folder, { recursive: true });
});

const ask = (path = '/', body?: string) =>
  client.ask({ path, timeoutMs: 5_000, ...(body === undefined ? {} : { body }) });

test('a question without a body is a GET, one with a body a POST, and any status is an answer', async () => {
  expect(await ask()).toEqual({ status: 200, text: 'GET ' });
  expect(await ask('/', '{"é":1}')).toEqual({ status: 200, text: 'POST {"é":1}' });
  expect(await ask('/wrong')).toMatchObject({ status: 500 });
});

test('questions one after the other share a connection, and those at once do not wait for each other', async () => {
  await ask();
  await ask();
  expect(connections).toBe(1);
  await Promise.all([ask(), ask()]);
  expect(connections).toBe(2);
});

test('an idle connection that the other side closes just then costs no answer', async () => {
  resets = [2];
  await ask();
  expect(await ask()).toMatchObject({ status: 200 });
  expect(connections).toBe(2);
});

test('a server that breaks off a fresh connection is told, and not asked again', async () => {
  resets = [1];
  await expect(ask()).rejects.toMatchObject({ code: 'ECONNRESET' });
  expect(connections).toBe(1);
});

test('an answer that does not come in time is not waited for', async () => {
  await expect(client.ask({ path: '/silent', timeoutMs: 20 })).rejects.toMatchObject({
    code: 'ETIMEDOUT',
    message: '/silent did not answer within 20 ms',
  });
});
