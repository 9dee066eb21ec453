// The gateway of bench/gateway-logging.js: `all` and `captured` as it is; `unlogged` with budgets and metering, and without traffic log, metrics and spans;
// `none` without any of these. All ask for a key and route. Prints its port and the key.
import { join } from 'node:path';

import { loadConfig } from '../../src/config/load.ts';
import { projectPaths } from '../../src/config/paths.ts';
import { chargeFinished } from '../../src/gateway/charge.ts';
import { openClients } from '../../src/gateway/clients.ts';
import { gatewayKey } from '../../src/gateway/key.ts';
import { makeKey } from '../../src/gateway/keys/secret.ts';
import { keyRing } from '../../src/gateway/keys/ring.ts';
import { authorize } from '../../src/gateway/middleware/keys.ts';
import { openPricing } from '../../src/gateway/pricing.ts';
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
const open = { all: openClients, captured: openClients, unlogged: unloggedClients, none: plainClients }[mode];
const gateway = await startGatewayServer(settings, open);
console.log(JSON.stringify({ port: gateway.port, key: mode === 'none' ? gatewayKey(paths.secrets) : limitedKey() }));
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
  const plain = { name: mode, tenant: 'acme', features: ['search'], models: [], limits, createdAtMs: Date.now() };
  insertKey(ledger, { ...plain, id: fresh.id, sha256: fresh.sha256 });
  return fresh.text;
}

/** Every request is priced and settled, and then forgotten. */
async function unloggedClients(given, routing) {
  const clients = await openClients(given, routing);
  const { now } = given;
  const { metering } = routing.config().gateway;
  const pricing = openPricing({ ...metering, now, catalogue: () => undefined, urlOf: () => undefined });
  const { keeper } = clients.counting;
  return { ...clients, finish: chargeFinished({ keeper, now, pricing: () => pricing, record: () => undefined }) };
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
