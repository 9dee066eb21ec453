import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { keyRing } from '../../../../src/gateway/keys/ring.js';
import { hashKey, keyIdOf, makeKey } from '../../../../src/gateway/keys/secret.js';
import type { ApiKey } from '../../../../src/ledger/keys.js';

const ownerKey = `mlx_${'o'.repeat(43)}`;
const limits = {
  ...{ usdPerDay: null, usdPerMonth: null, tokensPerDay: null },
  ...{ tokensPerMonth: null, requestsPerMinute: null, tokensPerMinute: null },
};

function stored(fresh: { id: string; sha256: string }, changes: Partial<ApiKey> = {}): ApiKey {
  const secrets = [{ sha256: fresh.sha256, createdAtMs: 0, expiresAtMs: null }];
  const plain = {
    id: fresh.id,
    name: null,
    tenant: 'acme',
    features: [],
    models: [],
    createdAtMs: 0,
    revokedAtMs: null,
  };
  return { ...plain, limits, secrets, ...changes };
}

describe('a key', () => {
  it('is found by its id and proved by its whole text', () => {
    const [one, other] = [makeKey(), makeKey()];
    const ring = keyRing(ownerKey, [stored(one), stored(other, { tenant: 'other' })]);
    expect(ring.find(one.text, 0)).toMatchObject({ keyId: one.id, tenant: 'acme' });
    expect(ring.find(other.text, 0)).toMatchObject({ keyId: other.id, tenant: 'other' });
    expect(ring.find(ownerKey, 0)).toMatchObject({ keyId: 'owner', tenant: undefined });
  });

  it('with any one letter changed, of another id, or cut short is none', () => {
    const key = makeKey();
    const other = makeKey();
    const ring = keyRing(ownerKey, [stored(key), stored(other)]);
    const letters = fc.constantFrom(...'abcXYZ019-_ \u0000é');
    fc.assert(
      fc.property(fc.nat(key.text.length - 1), letters, (at, letter) => {
        fc.pre(key.text[at] !== letter);
        expect(ring.find(key.text.slice(0, at) + letter + key.text.slice(at + 1), 0)).toBeUndefined();
        expect(ring.find(key.text.slice(0, at), 0)).toBeUndefined();
      }),
    );
    expect(ring.find(key.text.replace(key.id, other.id), 0)).toBeUndefined();
  });

  it('is not any other text, however odd', () => {
    const ring = keyRing(ownerKey, [stored(makeKey())]);
    fc.assert(fc.property(fc.string({ unit: 'binary', maxLength: 200 }), (text) => ring.find(text, 0) === undefined));
    for (const text of ["' OR 1=1 --", '', 'mlx_', `mlx_${'a'.repeat(10)}_${'b'.repeat(43)}`]) {
      expect(ring.find(text, 0)).toBeUndefined();
    }
  });

  it('is none from the moment on when it was revoked, or its time is over', () => {
    const [old, fresh] = [makeKey(), makeKey()];
    const secrets = [
      { sha256: old.sha256, createdAtMs: 0, expiresAtMs: 1000 },
      { sha256: hashKey(fresh.text.replace(fresh.id, old.id)).toString('hex'), createdAtMs: 500, expiresAtMs: null },
    ];
    const ring = keyRing(ownerKey, [stored(old, { secrets })]);
    expect(ring.find(old.text, 999)).toBeDefined();
    expect(ring.find(old.text, 1000)).toBeUndefined();
    expect(ring.find(fresh.text.replace(fresh.id, old.id), 5000)).toBeDefined();
    expect(keyRing(ownerKey, [stored(old, { revokedAtMs: 1 })]).find(old.text, 0)).toBeUndefined();
  });

  it("never has the form of the gateway's own key", () => {
    expect(keyIdOf(ownerKey)).toBeUndefined();
    expect(keyIdOf(makeKey().text)).toMatch(/^[a-z0-9]{10}$/);
  });
});
