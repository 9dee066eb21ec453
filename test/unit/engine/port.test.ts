import { createServer, type AddressInfo } from 'node:net';

import { expect, onTestFinished, test } from 'vitest';

import { isPortFree, portHolder, requireFreePort } from '../../../src/engine/port.js';

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
