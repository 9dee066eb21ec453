// What status makes of model servers that are down and that the gateway starts again, and of the gateway itself.
import { expect, test } from 'vitest';

import { hungGateway, missingGateway, runningGateway } from '../../../src/stack/gateway-part.js';
import { partsDown, withReturning, type Return } from '../../../src/stack/returning.js';
import type { Part } from '../../../src/stack/status.js';

const nothing = { address: undefined, runtime: undefined, startedAtMs: undefined, lastLines: [] };
const server = (name: string, change: Partial<Part> = {}): Part => {
  return { ...nothing, name, kind: 'server', engine: 'host', state: 'running', fix: undefined, ...change };
};
const route = (serverId: string, engine: 'docker' | 'host' = 'host') => {
  return { name: `to-${serverId}`, model: 'tickets', version: 1, digest: 'sha256:1', serverId, engine };
};
const soon = { state: 'waiting', nextAtMs: 9 } as const;
const back = (serverId: string): [string, Return] => [
  serverId,
  { route: `to-${serverId}`, text: 'soon', restart: soon },
];

const down = server('b', { state: 'exited', fix: 'mlx serve b' });
const parts = [server('a'), down, server('mlflow', { kind: 'service', state: 'unhealthy', fix: 'mlx up' })];

test('parts that are down are those that want something done', () => {
  expect([...partsDown(parts)]).toEqual(['b', 'mlflow']);
});

test('one that is down and comes back says so in place of what a person would do; the others stay as they are', () => {
  expect(withReturning(parts, [], ['host'], new Map([back('a'), back('b')]))).toEqual([
    parts[0],
    { ...down, fix: 'mlx logs b; soon', restart: soon },
    parts[2],
  ]);
});

test('one of which nothing is left is a part where it comes back', () => {
  const found = withReturning(parts, [route('a'), route('c'), route('d')], ['host'], new Map([back('c')])).slice(3);
  expect(found).toEqual([
    {
      ...server('c', { state: 'exited', runtime: 'sha256:1' }),
      ...{ lastLines: ['Is not there any more; to-c leads to it'], fix: 'soon', restart: soon },
    },
  ]);
});

test('of an engine that was not asked nobody knows what is left', () => {
  const routes = [route('c', 'docker'), route('d')];
  const returns = new Map([back('c'), back('d')]);
  const names = (...asked: ('docker' | 'host')[]) => withReturning([], routes, asked, returns).map(({ name }) => name);
  expect([names('host'), names('docker', 'host')]).toEqual([['d'], ['c', 'd']]);
});

test('the gateway is missed where model servers run that routes lead to', () => {
  expect(missingGateway([route('a'), route('b')], parts)).toMatchObject([
    { lastLines: ['Does not run; its model servers do: to-a -> tickets:1'], fix: 'mlx gateway start' },
  ]);
  expect(missingGateway([route('b')], parts)).toEqual([]);
});

test('a gateway that runs says where; one that hangs is not well', () => {
  expect(runningGateway({ port: 4000, pid: 7, startedAtMs: 1 })).toMatchObject({
    ...{ state: 'running', address: 'http://127.0.0.1:4000/v1', runtime: 'process 7', fix: undefined },
  });
  expect(hungGateway('It does not answer.')).toMatchObject({ state: 'unhealthy', lastLines: ['It does not answer.'] });
});
