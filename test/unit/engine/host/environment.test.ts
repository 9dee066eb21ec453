import { expect, test } from 'vitest';

import { programEnvironment } from '../../../../src/engine/host/environment.js';

const own = {
  PATH: '/usr/bin',
  HOME: '/home/ada',
  LC_ALL: 'C.UTF-8',
  HF_TOKEN: 'secret',
  HTTPS_PROXY: 'http://proxy:3128',
  PYTHONPATH: '/home/ada/strange',
  AWS_SECRET_ACCESS_KEY: 'secret',
  CUDA_VISIBLE_DEVICES: '1',
};
const around = { own, venv: '/venv', network: 'none' as const, gpu: false };

test('a sealed program sees neither secrets, nor proxies, nor what would change its Python', () => {
  const seen = programEnvironment(around);

  expect(seen).toMatchObject({ PATH: '/venv/bin:/usr/bin', HOME: '/home/ada', LC_ALL: 'C.UTF-8', HF_HUB_OFFLINE: '1' });
  expect(Object.keys(seen)).not.toEqual(expect.arrayContaining([expect.stringMatching(/TOKEN|PROXY|PYTHONPATH|AWS/)]));
});

test('a token that the caller asks for reaches no sealed program either', () => {
  expect(programEnvironment(around, { HF_TOKEN: 'asked', SEED: '1' })).toMatchObject({ SEED: '1' });
  expect(programEnvironment(around, { HF_TOKEN: 'asked' })).not.toHaveProperty('HF_TOKEN');
});

test('a download has the token and the proxies, and is not told to stay offline', () => {
  const seen = programEnvironment({ ...around, network: 'outside' });

  expect(seen).toMatchObject({ HF_TOKEN: 'secret', HTTPS_PROXY: 'http://proxy:3128' });
  expect(seen).not.toHaveProperty('HF_HUB_OFFLINE');
  expect(seen).not.toHaveProperty('AWS_SECRET_ACCESS_KEY');
});

test('a program without a GPU sees none, and one with a GPU sees those that the person chose', () => {
  expect(programEnvironment(around)['CUDA_VISIBLE_DEVICES']).toBe('');
  expect(programEnvironment({ ...around, gpu: true })['CUDA_VISIBLE_DEVICES']).toBe('1');
});

test('what the caller asks for wins over what the person has', () => {
  expect(programEnvironment(around, { HOME: '/job' })['HOME']).toBe('/job');
});
