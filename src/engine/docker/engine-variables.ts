// Which variables of a shell say which Docker Engine is meant: for processes that outlive the command, and speak to it later.

/** Of https://docs.docker.com/reference/cli/docker/#environment-variables those that name the Engine and the way to it; none holds a secret. */
export const engineVariables: readonly string[] = [
  'DOCKER_HOST',
  'DOCKER_CONTEXT',
  'DOCKER_CONFIG',
  'DOCKER_API_VERSION',
  'DOCKER_TLS',
  'DOCKER_TLS_VERIFY',
  'DOCKER_CERT_PATH',
];
