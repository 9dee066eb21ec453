import { createServer, type AddressInfo } from 'node:net';

import { expect, onTestFinished, test } from 'vitest';

import { commandLine, isPortFree, portHolder, requireFreePort } from '../../../src/engine/port.js';

async function takenPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  return (server.address() as AddressInfo).port;
}

test('a port that somebody listens on is not free, and its holder is named', async () => {
  const port = await takenPort();

  expect(await isPortFree(port)).toBe(false);
  expect(await portHolder(port)).toMatch(new RegExp(`\\(process ${process.pid}\\)$`));
  await expect(requireFreePort(port, 'MLflow', 'mlflow.port')).rejects.toMatchObject({
    code: 'PORT_TAKEN',
    message: expect.stringContaining(`MLflow needs port ${port}, which is held by`),
    hint: expect.stringContaining('mlflow.port'),
  });
});

test('a port that was given back is free and has no holder', async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));

  expect(await isPortFree(port)).toBe(true);
  expect(await portHolder(port)).toBeUndefined();
});

test('a holder is told by its whole command line, one that is very long up to a word', () => {
  const server = ['/usr/bin/python3', '-m', 'uvicorn', 'billing.web:app', '--host', '127.0.0.1', '--port', '4600'];
  expect(commandLine(server)).toBe(server.join(' '));
  const long = commandLine([...server, ...Array.from({ length: 40 }, (_, index) => `--watch=folder-${index}`)]);
  expect(long).toMatch(/^\/usr\/bin\/python3 -m uvicorn .* --watch=folder-\d+ …$/);
  expect(long.length).toBeGreaterThan(170);
  expect(long.length).toBeLessThanOrEqual(202);
  expect(commandLine([`/opt/${'deep/'.repeat(60)}server`])).toMatch(/^… .+\/server$/);
});

test('what a holder was given as a secret is not told', () => {
  const words = ['node', 'web.js', '--api-key', 'sk-1', '--auth-token=t-2', 'DB_PASSWORD=p-3', '--key', '--port', '80'];
  expect(commandLine(words)).toBe('node web.js --api-key *** --auth-token=*** DB_PASSWORD=*** --key --port 80');
});
