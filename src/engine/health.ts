// Asks a service or a model server whether it is well.

const timeoutMs = 2_000;

/** `unix:/path` or `http://host:port`: GET /health answers 200. */
export async function answersHealth(address: string): Promise<boolean> {
  return (await askHealth(address)) === 'well';
}

/** Nobody listens there; whoever is slow to answer still does. */
export async function isAbandoned(address: string): Promise<boolean> {
  return (await askHealth(address)) === 'nobody';
}

async function askHealth(address: string): Promise<'well' | 'ill' | 'nobody'> {
  // Loaded only where there is somebody to ask: `mlx status` of an idle project is as quick as it can be.
  const { isNobodyThere, localClient } = await import('./local-client.js');
  const client = localClient(address);
  try {
    return (await client.ask({ path: '/health', timeoutMs })).status === 200 ? 'well' : 'ill';
  } catch (error) {
    return isNobodyThere(error) ? 'nobody' : 'ill';
  } finally {
    client.close();
  }
}
