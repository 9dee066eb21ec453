// What a person is told of a model server that is down while the gateway runs, which starts it again by itself.
import { expect, test } from 'vitest';

import { comingRestarts, restartText } from '../../../src/registry/coming-back.js';
import type { Rows } from '../../../src/registry/rows.js';

const common = {
  model: 'tickets',
  version: 1,
  digest: 'sha256:1',
  engine: 'host',
  address: 'unix:/a',
  updatedAtMs: 1,
} as const;
const rows: Rows = {
  routes: [
    { ...common, name: 'tickets', serverId: 'v1-a' },
    { ...common, name: 'tickets@staging', serverId: 'v2-b' },
    { ...common, name: 'tickets@canary', serverId: 'v3-c' },
  ],
  splits: [],
  warm: [],
  busy: new Set(),
  watched: new Set(),
};
const all = new Set(['v1-a', 'v2-b', 'v3-c']);

const told = (...[cares, down]: [Parameters<typeof comingRestarts>[1], ReadonlySet<string>]) =>
  [...comingRestarts(rows, cares, down)].map(([id, restart]) => `${id}: ${restartText(restart, 1_000)}`);

test('it says when the gateway tries again, or that it is trying now, and the command that does it at once', () => {
  const cares = [
    { serverId: 'v1-a', nextAtMs: 43_000 },
    { serverId: 'v2-b', nextAtMs: null },
  ];
  expect(told(cares, all)).toEqual([
    'v1-a: the gateway starts it again by itself in 42 s; at once: mlx serve tickets',
    'v2-b: the gateway is starting it again now',
  ]);
  expect(told([{ serverId: 'v1-a', nextAtMs: 900 }], new Set())).toEqual([
    'v1-a: the gateway starts it again by itself in a moment; at once: mlx serve tickets',
  ]);
});

test('one that the gateway has not seen gone yet is looked after within half a minute; a canary is not started again', () => {
  const words = 'the gateway starts it again by itself within half a minute; at once: mlx serve';
  expect(told([], all)).toEqual([`v1-a: ${words} tickets`, `v2-b: ${words} tickets@staging`]);
});

test('where no gateway looks after servers, nothing is promised', () => {
  expect(told(null, all)).toEqual([]);
});

test('what a command is at work on is left to the command', () => {
  expect([...comingRestarts({ ...rows, busy: new Set(['tickets']) }, [], all)]).toEqual([]);
});
