// A key for people and for programs: everything but its secret. Pure.
import type { ApiKey, Limits } from '../../ledger/keys.js';

export type DescribedKey = {
  key: string;
  name: string | null;
  tenant: string | null;
  features: string[];
  models: string[];
  limits: Limits;
  state: 'valid' | 'revoked';
  createdAtMs: number;
  revokedAtMs: number | null;
  /** An older secret that is still valid after a rotation ends here. */
  oldSecretUntilMs: number | null;
};

export function describeKey(key: ApiKey, nowMs: number): DescribedKey {
  const { id, name, tenant, features, models, limits, createdAtMs, revokedAtMs, secrets } = key;
  const ending = secrets.flatMap(({ expiresAtMs }) =>
    expiresAtMs !== null && expiresAtMs > nowMs ? [expiresAtMs] : [],
  );
  return {
    ...{ key: id, name, tenant, features, models, limits, createdAtMs, revokedAtMs },
    state: revokedAtMs === null ? 'valid' : 'revoked',
    oldSecretUntilMs: ending.length === 0 ? null : Math.max(...ending),
  };
}

/** `billing-app (k7m2p9x4qa)`; older keys may have no name. */
export function keyText({ id, name }: Pick<ApiKey, 'id' | 'name'>): string {
  return name === null ? id : `${name} (${id})`;
}

/** For rows that know a key by its id alone; the own key, and one that is gone, stay as they are. */
export function keyNames(keys: readonly ApiKey[]): (id: string) => string {
  const texts = new Map(keys.map((key) => [key.id, keyText(key)]));
  return (id) => texts.get(id) ?? id;
}

/** `$5/day, 60 requests/min`; empty without any. */
export function describeLimits(limits: Limits): string {
  const { usdPerDay, usdPerMonth, tokensPerDay, tokensPerMonth, requestsPerMinute, tokensPerMinute } = limits;
  const part = (value: number | null, text: (value: number) => string): string[] =>
    value === null ? [] : [text(value)];
  return [
    ...part(usdPerDay, (usd) => `$${usd}/day`),
    ...part(usdPerMonth, (usd) => `$${usd}/month`),
    ...part(tokensPerDay, (tokens) => `${tokens} tokens/day`),
    ...part(tokensPerMonth, (tokens) => `${tokens} tokens/month`),
    ...part(requestsPerMinute, (requests) => `${requests} requests/min`),
    ...part(tokensPerMinute, (tokens) => `${tokens} tokens/min`),
  ].join(', ');
}
