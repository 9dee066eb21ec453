import { expect, test } from 'vitest';

import { placeMounts } from '../../../src/engine/argv.js';

const mounts = [
  { name: 'spec', source: '/project/spec.json', writable: false },
  { name: 'out', source: '/project/out', writable: true },
];

test('every mount name in argv and environment becomes the place where the job finds it', () => {
  const job = {
    argv: ['train.py', '--spec', '{spec}', '--pair={spec}:{out}'],
    environment: { LOG: '{out}/log.txt', PLAIN: 'x' },
    mounts,
  };

  expect(placeMounts(job, (mount) => `/job/${mount.name}`)).toEqual({
    argv: ['train.py', '--spec', '/job/spec', '--pair=/job/spec:/job/out'],
    environment: { LOG: '/job/out/log.txt', PLAIN: 'x' },
  });
});

test('braces that name no mount stay: a value may be JSON', () => {
  const job = { argv: ['x.py', '{"spec":1}', '{other}'], environment: {}, mounts };

  expect(placeMounts(job, (mount) => mount.source).argv).toEqual(['x.py', '{"spec":1}', '{other}']);
});

test('a path that itself looks like a mount name is not replaced again', () => {
  const job = { argv: ['x.py', '{spec}'], environment: {}, mounts };

  expect(placeMounts(job, () => '/odd/{out}').argv).toEqual(['x.py', '/odd/{out}']);
});
