// The gateway of bench/gateway-logging.js: `on` as it is, `off` without budgets, metering, traffic log, metrics and spans. Both ask
// for a key and route. Prints its port and the key.
import { join } from 'node:path';

import { loadConfig } from '../../src/config/load.ts';
import { projectPaths } from '../../src/config/paths.ts';
import { gatewayKey } from '../../src/gateway/key.ts';
import { makeKey } from '../../src/gateway/keys/secret.ts';
import { keyRing } from '../../src/gateway/keys/ring.ts';
import { authorize } from '../../src/gateway/middleware/keys.ts';
import { startGatewayServer } from '../../src/gateway/server.ts';
import { insertKey } from '../../src/ledger/keys.ts';
import { openLedger } from '../../src/ledger/open.ts';

const [folder, mode] = process.argv.slice(2);
const paths = projectPaths(folder, { MLX_HOME: join(folder, 'home') });
const settings = {
  paths: { ...paths, run: join(folder, mode), sockets: join(folder, mode), trafficFile: join(folder, 'traffic.db') },
  ...{ port: 0, now: () => new Date(), drainTimeoutMs: 1000, warn: console.error, environment: process.env },
  readConfig: () => loadConfig(paths, {}),
};

const ledger = openLedger(paths.ledgerFile);
const gateway = mode === 'on' ? await startGatewayServer(settings) : await startGatewayServer(settings, plainClients);
console.log(JSON.stringify({ port: gateway.port, key: mode === 'on' ? limitedKey() : gatewayKey(paths.secrets) }));
process.once('SIGTERM', () => void gateway.stop().then(() => process.exit(0)));
await gateway.reload();

/** With every kind of limit, so that each is looked at. */
function limitedKey() {
  const fresh = makeKey();
  const limits = {
    usdPerDay: 1e6,
    usdPerMonth: 1e7,
    tokensPerDay: 1e12,
    tokensPerMonth: 1e13,
    requestsPerMinute: 1e9,
    tokensPerMinute: 1e12,
  };
  const plain = { name: 'bench', tenant: 'acme', features: ['search'], models: [], limits, createdAtMs: Date.now() };
  insertKey(ledger, { ...plain, id: fresh.id, sha256: fresh.sha256 });
  return fresh.text;
}

async function plainClients() {
  const ring = keyRing(gatewayKey(paths.secrets), []);
  const nothing = async () => undefined;
  return {
    stages: {
      authorize: authorize(() => ring, Date.now),
      expand: async (_, question) => question,
      ...{
        admit: nothing,
        redact: nothing,
        meter: () => undefined,
        capture: (_request, _question, response) => response,
      },
    },
    ...{ finish: () => undefined, reload: nothing, budgets: () => [], metrics: () => '', close: nothing },
  };
}
