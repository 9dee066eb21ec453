// A proxy of Node's own parts and nothing else: no key, no parsing, no log. What is below it no gateway on Node can reach.
//
//   node bench/gateway/bare.js PORT UPSTREAM_PORT
import { createServer } from 'node:http';

import { Pool } from 'undici';

const [port, upstreamPort] = process.argv.slice(2).map(Number);
const pool = new Pool(`http://127.0.0.1:${upstreamPort}`, { connections: 64 });

createServer((incoming, outgoing) => {
  const { method, url: path } = incoming;
  const headers = { 'content-type': incoming.headers['content-type'] ?? 'application/json' };
  const body = method === 'POST' ? incoming : null;
  pool.stream(
    { method, path, headers, body },
    ({ statusCode, headers: answered }) => outgoing.writeHead(statusCode, { 'content-type': answered['content-type'] }),
    (error) => error && outgoing.destroy(error),
  );
}).listen(port, '127.0.0.1');

process.once('SIGTERM', () => process.exit(0));
