// Asks a service or a model server whether it is well.

const timeoutMs = 2_000;

/** `unix:/path` or `http://host:port`: GET /health answers 200. */
export async function answersHealth(address: string): Promise<boolean> {
  // Loaded only where there is somebody to ask: `mlx status` of an idle project is as quick as it can be.
  const { get } = await import('node:http');
  return new Promise((resolve) => {
    const request = get({ ...target(address), path: '/health', timeout: timeoutMs, agent: false }, (answer) => {
      answer.resume();
      resolve(answer.statusCode === 200);
    });
    request.once('timeout', () => request.destroy());
    // After an answer this changes nothing: a promise is settled once.
    request.once('error', () => resolve(false));
    request.once('close', () => resolve(false));
  });
}

function target(address: string) {
  if (address.startsWith('unix:')) return { socketPath: address.slice('unix:'.length), headers: { host: 'localhost' } };
  const { hostname, port } = new URL(address);
  return { host: hostname, port };
}
