import { expect, test } from 'vitest';

import { gatewayEnvironment } from '../../../src/gateway/ensure.js';

test('a gateway gets the Docker Engine of the command that starts it, its settings and keys, and no other secret', () => {
  const docker = { DOCKER_HOST: 'unix:///run/user/1000/docker.sock', DOCKER_CONTEXT: 'rootless', DOCKER_CONFIG: '/c' };
  const settings = { PATH: '/bin', HOME: '/home/ada', MLX_HOME: '/home/ada/.mlx', MLX_GATEWAY_PORT: '4700' };
  const keys = { OPENAI_API_KEY: 'sk-1' };
  const others = { HF_TOKEN: 'hf_1', AWS_SECRET_ACCESS_KEY: 'a', DOCKER_AUTH_CONFIG: '{"auths":{}}', EDITOR: 'vi' };
  const given = gatewayEnvironment({ ...docker, ...settings, ...keys, ...others, TMPDIR: undefined }, [
    'OPENAI_API_KEY',
  ]);
  expect(given).toEqual({ ...docker, ...settings, ...keys });
});
