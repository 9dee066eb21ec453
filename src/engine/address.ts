// The address of a model server, as engines write it: `unix:/path/to/socket` or `http://127.0.0.1:PORT`.

/** What undici's clients take; the host name means nothing on a socket. */
export type ServerEndpoint = { origin: string; socketPath: string | null };

export function parseAddress(address: string): ServerEndpoint {
  if (address.startsWith('unix:')) return { origin: 'http://localhost', socketPath: address.slice('unix:'.length) };
  return { origin: new URL(address).origin, socketPath: null };
}
