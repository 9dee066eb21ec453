// Keys of clients, made and ended by commands while the gateway runs.
import { readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { request } from 'undici';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { freePort } from '../../src/engine/port.js';
import { insertKey } from '../../src/ledger/keys.js';
import { setRoute } from '../../src/ledger/promotions.js';
import { makeKey } from '../../src/gateway/keys/secret.js';
import { answerJson, startStandIn, type StandIn } from '../unit/gateway/stand-in.js';
import { mlx, mlxJson } from './mlx.js';
import { project, type Place } from './runs-project.js';

let place: Place;
let environment: NodeJS.ProcessEnv;
let server: StandIn;

beforeEach(async () => {
  place = project();
  environment = { MLX_GATEWAY_PORT: String(await freePort()) };
  server = await startStandIn(join(place.folder, 'one.sock'), (call) => answerJson(call, 'billing'));
  for (const name of ['tickets', 'other']) {
    const route = { name, model: name, version: 1, digest: `sha256:${name}`, serverId: name, engine: 'host' } as const;
    setRoute(place.ledger, { ...route, address: server.address, updatedAtMs: 1 });
  }
});

afterEach(async () => {
  await run('gateway', 'stop');
  await server.close();
});

const run = (...argv: string[]) => mlx(argv, { folder: place.folder, environment });
const json = async (...argv: string[]) =>
  (await mlxJson(argv, { folder: place.folder, environment })).value as Record<string, unknown>;

async function ask(headers: Record<string, string>, model = 'tickets', path = '/v1/chat/completions') {
  const answer = await request(`http://127.0.0.1:${environment['MLX_GATEWAY_PORT'] ?? ''}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ model, max_tokens: 10, messages: [] }),
  });
  const body = (await answer.body.json()) as { error?: { code: string; message: string } };
  return { status: answer.statusCode, code: body.error?.code, headers: answer.headers };
}

const bearer = (key: unknown) => ({ authorization: `Bearer ${String(key)}` });

describe('mlx keys', () => {
  it('says that a budget in dollars counts nothing of own models while this machine has no price', async () => {
    const made = (name: string) => run('keys', 'create', name, '--budget-day-usd', '5');
    expect((await made('free')).stderr).toContain('gateway.hardware.usd_per_hour');
    expect((await run('keys', 'create', 'tokens', '--tokens-day', '5')).stderr).not.toContain('usd_per_hour');
    writeFileSync(join(place.folder, 'mlx.yaml'), 'engine: host\ngateway:\n  hardware:\n    usd_per_hour: 2\n');
    expect((await made('priced')).stderr).not.toContain('usd_per_hour');
  });

  it('makes a key that works at once, in the header of either dialect, and is nowhere on the disk', async () => {
    await run('gateway', 'start');
    const made = await json('keys', 'create', 'billing-app', '--tenant', 'acme', '--models', 'tickets');
    expect(made).toMatchObject({ name: 'billing-app', tenant: 'acme', models: ['tickets'], gateway_knows: true });
    expect(await ask(bearer(made['secret']))).toMatchObject({ status: 200 });
    expect(await ask({ 'x-api-key': String(made['secret']) })).toMatchObject({ status: 200 });
    expect(await ask(bearer(made['secret']), 'other')).toMatchObject({ status: 403, code: 'model_not_allowed' });
    expect((await run('keys', 'ls')).stdout).toContain(String(made['key']));
    await run('gateway', 'stop');
    expect(everyFile(join(place.folder, '.mlx'))).not.toContain(String(made['secret']).slice(15));
  });

  it('gives a name to one key at a time: a second one is refused, and may have it when the first is revoked', async () => {
    const first = await json('keys', 'create', 'billing-app');
    for (const more of [[], ['--dry-run']]) {
      const second = await run('keys', 'create', 'billing-app', '--tenant', 'acme', ...more);
      expect(second).toMatchObject({ status: 2, stdout: '' });
      expect(second.stderr).toContain(`There is a key named billing-app already: ${String(first['key'])}, made `);
      expect(second.stderr).toMatch(/mlx keys rotate billing-app.*mlx keys revoke billing-app/);
    }
    expect((await json('keys', 'ls'))['keys']).toHaveLength(1);
    await run('keys', 'revoke', 'billing-app');
    expect((await json('keys', 'create', 'billing-app'))['key']).not.toBe(first['key']);
  });

  it('gives no key the id of another as its name, revoked or not: neither could be named any more', async () => {
    const { key } = await json('keys', 'create', 'ci');
    for (const more of [[], ['--dry-run']]) {
      const second = await run('keys', 'create', String(key), ...more);
      expect(second).toMatchObject({ status: 2, stdout: '' });
      expect(second.stderr).toMatch(new RegExp(`a key with the id ${String(key)}.*USAGE`));
    }
    await run('keys', 'revoke', String(key));
    expect((await run('keys', 'create', String(key))).status).toBe(2);
  });

  it('gives no key a name as secrets have, and does not repeat it', async () => {
    const name = `mlx_abcdefghjk_${'a'.repeat(43)}`;
    for (const wanted of [name, 'mlx_app']) {
      const refused = await run('keys', 'create', wanted);
      expect(refused).toMatchObject({ status: 2, stdout: '' });
      expect(refused.stderr).toContain('cannot begin with mlx_');
      expect(refused.stderr).not.toContain(wanted);
    }
  });

  it('warns of a model that no route leads to, and names those that there are', async () => {
    const made = await run('keys', 'create', 'ci', '--models', 'tickets,nosuch');
    expect(made.status).toBe(0);
    expect(made.stderr).toContain('No route is named nosuch; there are other, tickets.');
    expect((await run('keys', 'create', 'other', '--models', 'tickets', '--dry-run')).stderr).not.toContain('No route');
  });

  it('shows on a narrow terminal what a key may ask for, and in a pipe everything', async () => {
    const long = ['--tenant', 'a-tenant-of-some-length', '--feature', 'a-feature-of-some-length'];
    await run('keys', 'create', 'billing-app', '--models', 'tickets', '--tokens-day', '100000', ...long);
    const narrow = await mlx(['keys', 'ls'], { folder: place.folder, environment, columns: 96 });
    expect(narrow.stdout).toMatch(/name .*models/);
    expect(narrow.stdout).not.toContain('limits');
    const narrower = await mlx(['keys', 'ls'], { folder: place.folder, environment, columns: 84 });
    expect(narrower.stdout).toContain('billing-app');
    expect((await run('keys', 'ls')).stdout).toMatch(/key +name +tenant +feature +models +limits +made +state/);
  });

  it('revokes a key at once, and keeps the running answer', async () => {
    await run('gateway', 'start');
    const made = await json('keys', 'create', 'ci');
    expect(await ask(bearer(made['secret']))).toMatchObject({ status: 200 });
    expect((await run('keys', 'revoke', 'ci')).stdout).toBe(`Key ci (${String(made['key'])}) is revoked.\n`);
    expect(await ask(bearer(made['secret']))).toMatchObject({ status: 401, code: 'invalid_api_key' });
    expect((await run('keys', 'ls')).stdout).not.toContain(String(made['key']));
    expect((await run('keys', 'ls')).stdout).toContain('1 revoked: mlx keys ls --all');
    const all = (await run('keys', 'ls', '--all')).stdout;
    expect(all).toMatch(/ci .*revoked/);
    expect(all).not.toContain('1 revoked:');
  });

  it('that the gateway was not told of reach it by themselves', async () => {
    await run('gateway', 'start');
    const fresh = makeKey();
    const none = { usdPerDay: null, usdPerMonth: null, tokensPerDay: null, tokensPerMonth: null };
    const limits = { ...none, requestsPerMinute: null, tokensPerMinute: null };
    const plain = { name: null, tenant: null, features: [], models: [], limits, createdAtMs: 1 };
    insertKey(place.ledger, { ...plain, id: fresh.id, sha256: fresh.sha256 });
    let answer = await ask(bearer(fresh.text));
    while (answer.status === 401) answer = await ask(bearer(fresh.text));
    expect(answer.status).toBe(200);
  });

  it('rotates a key: both secrets for a while, or the new one alone', async () => {
    await run('gateway', 'start');
    const made = await json('keys', 'create', 'ci', '--requests-per-minute', '5');
    const second = await json('keys', 'rotate', 'ci', '--grace', '1h');
    expect(second['key']).toBe(made['key']);
    expect(await ask(bearer(made['secret']))).toMatchObject({ status: 200 });
    expect(await ask(bearer(second['secret']))).toMatchObject({ status: 200 });
    expect((await run('keys', 'ls')).stdout).toContain('valid, old secret for 1 h');
    const third = await json('keys', 'rotate', 'ci', '--grace', '0');
    expect(await ask(bearer(made['secret']))).toMatchObject({ status: 401 });
    expect(await ask(bearer(second['secret']))).toMatchObject({ status: 401 });
    for (let index = 0; index < 3; index += 1) await ask(bearer(third['secret']));
    expect(await ask(bearer(third['secret']))).toMatchObject({ status: 429, code: 'rate_limit_exceeded' });
  });

  it('says for how long the old secret is taken in words for people', async () => {
    await run('keys', 'create', 'ci');
    expect((await run('keys', 'rotate', 'ci')).stderr).toMatch(/is taken for 24 h more, until \d{4}-\d\d-\d\dT/);
    expect((await run('keys', 'ls')).stdout).toContain('valid, old secret for 24 h\n');
    expect((await run('keys', 'rotate', 'ci', '--grace', '0')).stderr).toContain('is no longer taken.');
  });

  it('counts for the feature that the client names, when the key leaves the choice', async () => {
    await run('gateway', 'start');
    const made = await json('keys', 'create', 'ci', '--feature', 'invoices,search');
    const key = bearer(made['secret']);
    expect(await ask({ ...key, 'x-mlx-feature': 'search' })).toMatchObject({ status: 200 });
    expect(await ask({ ...key, 'x-mlx-feature': 'chat' })).toMatchObject({ status: 403, code: 'feature_not_allowed' });
    expect(await ask({ ...key, 'x-mlx-feature': 'a b' })).toMatchObject({ status: 400, code: 'invalid_feature' });
  });

  it.each([
    [['create', '--tenant', 'acme'], 2, "missing required argument 'name'"],
    [['create', ''], 2, "not ''"],
    [['create', 'ci', '--requests-per-minute', '0'], 2, "not '0'"],
    [['create', 'ci', '--budget-day-usd', 'much'], 2, "not 'much'"],
    [['create', 'ci', '--tenant', 'a;b'], 2, "not 'a;b'"],
    [['create', 'x'.repeat(65)], 2, '1 to 64 letters'],
    [['revoke', 'nobody'], 2, "no key 'nobody'"],
    [['revoke', `mlx_abcdefghjk_${'a'.repeat(43)}`], 2, 'by its id'],
    [['rotate', 'nobody', '--grace', 'soon'], 2, "not 'soon'"],
  ])('%j is refused with status %i', async (argv, status, why) => {
    const refused = await run('keys', ...argv);
    expect(refused.status).toBe(status);
    expect(refused.stderr).toContain(why);
  });

  it('changes nothing with --dry-run', async () => {
    expect((await run('keys', 'create', 'ci', '--dry-run')).stdout).toBe('Would make the key ci without limits.\n');
    expect(await json('keys', 'ls')).toEqual({ keys: [], hidden: 0 });
  });
});

function everyFile(folder: string): string {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => join(folder, name))
    .filter((file) => statSync(file).isFile())
    .map((file) => readFileSync(file, 'latin1'))
    .join('\n');
}
