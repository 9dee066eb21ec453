// What `mlx gateway install` would write; that systemd starts it is for a machine that has one.
import { expect, it } from 'vitest';

import { mlxJson } from './mlx.js';
import { project } from './runs-project.js';

it('mlx gateway install writes the Docker Engine and the settings of the shell into the unit, and no secret', async () => {
  const { folder } = project();
  const settings = { MLX_GATEWAY_PORT: '4711', DOCKER_HOST: 'unix:///run/user/1000/docker.sock', PATH: '/usr/bin' };
  const secrets = { HF_TOKEN: 'hf_secret', MLFLOW_TRACKING_URI: 'http://ada:secret@127.0.0.1:5000' };
  const { status, value } = await mlxJson(['gateway', 'install', '--print'], {
    folder,
    environment: { ...settings, ...secrets },
  });
  expect(status).toBe(0);
  const { text } = value as { text: string };
  expect(text.split('\n').filter((line) => line.startsWith('Environment='))).toEqual([
    'Environment="PATH=/usr/bin"',
    'Environment="DOCKER_HOST=unix:///run/user/1000/docker.sock"',
    'Environment="MLX_GATEWAY_PORT=4711"',
  ]);
  expect(text).not.toContain('secret@');
  expect(text).not.toContain('hf_secret');
});
