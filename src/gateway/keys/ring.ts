// The keys that are valid at this moment, in memory: found by id, proved by hash. Pure but for the clock that is handed in.
import { timingSafeEqual } from 'node:crypto';

import type { ApiKey } from '../../ledger/keys.js';
import { hashKey, keyIdOf } from './secret.js';

/** Who asks. `models` undefined: every route. */
export type Client = {
  keyId: string;
  tenant: string | undefined;
  features: readonly string[];
  models: ReadonlySet<string> | undefined;
};

/** Never changed, only swapped as a whole. */
export type KeyRing = {
  /** undefined for a key that is unknown, wrong, revoked or run out: the caller cannot tell which, and neither can a client. */
  find: (text: string, nowMs: number) => Client | undefined;
  byId: (keyId: string) => Client | undefined;
  keys: readonly ApiKey[];
};

/** The one key of `mlx gateway key`: everything, without limit. */
export const ownerKeyId = 'owner';

type Secret = { hash: Buffer; expiresAtMs: number };
type Proof = { client: Client; expiresAtMs: number };

const noHash = Buffer.alloc(32);

export function keyRing(ownerKey: string, keys: readonly ApiKey[]): KeyRing {
  const owner: Client = { keyId: ownerKeyId, tenant: undefined, features: [], models: undefined };
  const ownerSecrets = [{ hash: hashKey(ownerKey), expiresAtMs: Infinity }];
  const clients = new Map<string, { client: Client; secrets: Secret[] }>();
  for (const key of keys) {
    if (key.revokedAtMs === null) clients.set(key.id, { client: clientOf(key), secrets: key.secrets.map(toSecret) });
  }
  // Texts that proved to be keys, so that a stranger's fill nothing: to prove one is a good part of a short request's way.
  const proved = new Map<string, Proof>();
  const prove = (text: string): Proof | undefined => {
    const id = keyIdOf(text);
    const { client, secrets } =
      id === undefined ? { client: owner, secrets: ownerSecrets } : (clients.get(id) ?? nobody);
    const secret = provedBy(hashKey(text), secrets);
    if (!client || !secret) return undefined;
    const proof = { client, expiresAtMs: secret.expiresAtMs };
    proved.set(text, proof);
    return proof;
  };
  return {
    find: (text, nowMs) => {
      const proof = proved.get(text) ?? prove(text);
      return proof && nowMs < proof.expiresAtMs ? proof.client : undefined;
    },
    byId: (keyId) => (keyId === ownerKeyId ? owner : clients.get(keyId)?.client),
    keys,
  };
}

/** An unknown id costs the same comparison as a known one. */
const nobody = { client: undefined, secrets: [{ hash: noHash, expiresAtMs: 0 }] };

/** Looks at each of them, so that the time says nothing of which one it was. */
function provedBy(sent: Buffer, secrets: readonly Secret[]): Secret | undefined {
  let found: Secret | undefined;
  for (const secret of secrets) {
    if (timingSafeEqual(sent, secret.hash)) found = secret;
  }
  return found;
}

function clientOf({ id, tenant, features, models }: ApiKey): Client {
  return {
    keyId: id,
    tenant: tenant ?? undefined,
    features,
    models: models.length === 0 ? undefined : new Set(models),
  };
}

function toSecret({ sha256, expiresAtMs }: ApiKey['secrets'][number]): Secret {
  return { hash: Buffer.from(sha256, 'hex'), expiresAtMs: expiresAtMs ?? Infinity };
}
