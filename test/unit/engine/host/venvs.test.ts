import { expect, test } from 'vitest';

import { lockName, venvFolder } from '../../../../src/engine/host/venvs.js';

const home = { home: '/home/ada/.mlx', models: '', venvs: '/home/ada/.mlx/venvs' };

test('an environment is named by its lock and the series of its Python, and not by the last digit of it', () => {
  const folder = venvFolder(home, 'trainer', 'torch==2.13.0', '3.11.7');

  expect(folder).toMatch(/^\/home\/ada\/\.mlx\/venvs\/trainer-[0-9a-f]{12}$/);
  expect(venvFolder(home, 'trainer', 'torch==2.13.0', '3.11.9')).toBe(folder);
  expect(venvFolder(home, 'trainer', 'torch==2.13.0', '3.12.1')).not.toBe(folder);
  expect(venvFolder(home, 'trainer', 'torch==2.13.1', '3.11.7')).not.toBe(folder);
});

test('without a GPU training and serving share one environment', () => {
  expect([lockName('trainer', false), lockName('server', false), lockName('mlflow', false)]).toEqual([
    'trainer',
    'trainer',
    'mlflow',
  ]);
  expect([lockName('trainer', true), lockName('server', true), lockName('mlflow', true)]).toEqual([
    'trainer',
    'server-cuda',
    'mlflow',
  ]);
});
