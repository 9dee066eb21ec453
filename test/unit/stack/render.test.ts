import { stripVTControlCharacters } from 'node:util';

import { expect, test } from 'vitest';

import { renderStatus, renderUp, type ProjectStatus } from '../../../src/stack/render.js';

const base: ProjectStatus = {
  project: '/p',
  configProblem: null,
  engine: 'host',
  disks: [],
  parts: [],
  workers: [],
  budgets: [],
  routes: [],
  warm: [],
  movedTags: [],
  watches: [],
  splits: [],
  models: [],
  runs: [],
};
const part = {
  name: 'mlflow',
  kind: 'service' as const,
  engine: 'host' as const,
  state: 'running' as const,
  address: 'http://127.0.0.1:4601',
  runtime: '/home/ada/.mlx/venvs/mlflow-0a',
  startedAtMs: 0,
  lastLines: [],
  fix: undefined,
};
const plain = (status: ProjectStatus) => stripVTControlCharacters(renderStatus(status, 65_000, 120));

test('a project in which nothing runs says how to begin', () => {
  expect(plain(base)).toBe('/p  host\n\nNothing runs. Start MLflow: mlx up');
});

test('a disk that is nearly full is told in one line, others are not', () => {
  const disk = { folders: ['/p', '/home/ada/.mlx'], freeBytes: 3 * 2 ** 30, sizeBytes: 100 * 2 ** 30, low: true };
  const told = plain({ ...base, disks: [disk, { ...disk, folders: ['/q'], low: false }] });
  expect(told.split('\n')[2]).toBe(
    'disk  3.0 GiB of 100 GiB free for /p and /home/ada/.mlx: mlx gc --dry-run shows what can go',
  );
  expect(told).not.toContain('/q');
});

test('where nothing runs a model that was live is offered again', () => {
  const models = [{ model: 'tickets', versions: 1, aliases: [{ alias: 'production', version: 1 }] }];

  expect(plain({ ...base, models })).toContain('put tickets back: mlx serve tickets@production');
});

test('a socket is shown from the project on', () => {
  expect(plain({ ...base, parts: [{ ...part, address: 'unix:/p/.mlx/run/a.sock' }] })).toContain('  .mlx/run/a.sock');
});

test('what runs stands in a table, with routes, aliases and training below', () => {
  const status: ProjectStatus = {
    ...base,
    parts: [part],
    routes: [{ name: 'tickets', model: 'tickets', version: 2, openRequests: 3 }],
    models: [{ model: 'tickets', versions: 2, aliases: [{ alias: 'production', version: 2 }] }],
    runs: [{ id: 'tickets-aa', recipe: 'tickets', startedAtMs: 5_000, pid: 7 }],
  };

  expect(plain(status)).toMatchInlineSnapshot(`
    "/p  host

    name    kind     state           up  address                engine  runtime
    mlflow  service  running  1 min 5 s  http://127.0.0.1:4601  host    mlflow-0a

    routes
      tickets -> tickets:2  3 open

    models
      tickets  2 versions  production -> 2

    training
      tickets-aa  for 1 min 0 s  process 7"
  `);
});

test('budgets that are nearly used up stand above the routes', () => {
  const resetsAtMs = Date.parse('2026-12-01T00:00:00Z');
  const month = {
    name: null,
    account: 'tenant:acme',
    limit: 'usdPerMonth',
    unit: 'usd' as const,
    reserved: 0,
    left: 2,
    resetsAtMs,
  };
  const ofKey = { account: 'key:a', name: 'billing-app', limit: 'tokensPerDay', unit: 'tokens' as const };
  const day = { ...ofKey, reserved: 0, left: 0, resetsAtMs };
  const budgets = [
    { ...month, allowed: 100, used: 98, state: 'near' as const },
    { ...day, allowed: 5000, used: 5100, state: 'used_up' as const },
  ];

  expect(plain({ ...base, budgets })).toContain(
    'budgets\n  tenant:acme  used $98.00 of $100.00 a month (98 %)  begins anew 2026-12-01T00:00Z\n' +
      '  key:a (billing-app)  used 5,100 of 5,000 tokens a day (102 %)',
  );
});

test('what is not well is followed by its last lines and the next command', () => {
  const ill = { ...part, state: 'exited' as const, lastLines: ['Traceback', 'boom'], fix: 'mlx logs mlflow' };

  expect(plain({ ...base, parts: [ill] })).toContain('exited  mlflow\n  Traceback\n  boom\nnext  mlx logs mlflow');
});

test('up names addresses, and the reason of what it left out', () => {
  const report = { engine: 'host', services: [], skipped: [{ name: 'mlflow', reason: 'mlflow.enabled is false' }] };

  expect(stripVTControlCharacters(renderUp(report))).toBe('mlflow  not started: mlflow.enabled is false');
});

test('of servers that wait for a rollback it is said who is asleep', () => {
  const server = { serverId: 'a', model: 'tickets', untilMs: 125_000 };
  const warm = [
    { ...server, version: 1, asleep: true },
    { ...server, version: 2, asleep: false },
  ];
  const shown = plain({ ...base, warm });
  expect(shown).toContain('tickets:1  for 1 min 0 s, asleep');
  expect(shown).toMatch(/tickets:2 {2}for 1 min 0 s$/m);
});
