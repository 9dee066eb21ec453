// mlx routes ls, mlx routes explain and mlx gateway reload, with a gateway that runs.
import { join } from 'node:path';
import { writeFileSync } from 'node:fs';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { freePort } from '../../src/engine/port.js';
import { setRoute } from '../../src/ledger/promotions.js';
import { mlx, mlxJson } from './mlx.js';
import { project, type Place } from './runs-project.js';

let place: Place;
let environment: NodeJS.ProcessEnv;

const run = (...argv: string[]) => mlx(argv, { folder: place.folder, environment });
const json = (...argv: string[]) => mlxJson(argv, { folder: place.folder, environment });

const config = `engine: host
upstreams:
  openai: {}
  ollama: { dialect: openai, url: "http://127.0.0.1:1/v1", local: true }
routes:
  support:
    primary: local/tickets@production
    fallback: [openai/gpt-5-mini]
    canary: { target: local/tickets@staging, percent: 50, sticky: feature }
  secret:
    data_class: private
    primary: local/other
    fallback: [ollama/llama]
`;

beforeEach(async () => {
  place = project();
  environment = { MLX_GATEWAY_PORT: String(await freePort()) };
  writeConfig(config);
  const common = { model: 'tickets', digest: 'sha256:2', engine: 'host', address: 'unix:/nowhere' } as const;
  setRoute(place.ledger, { ...common, name: 'tickets', version: 2, serverId: 'a', updatedAtMs: 1 });
  setRoute(place.ledger, { ...common, name: 'tickets@staging', version: 3, serverId: 'b', updatedAtMs: 1 });
});

afterEach(() => run('gateway', 'stop'));

function writeConfig(text: string): void {
  writeFileSync(join(place.folder, 'mlx.yaml'), text);
}

describe('mlx routes', () => {
  it('lists every name, where it goes, and what keeps it from there', async () => {
    const { value } = await json('routes', 'ls');
    expect((value as { routes: object[] }).routes).toMatchObject([
      { name: 'tickets', primary: 'local/tickets', data_class: 'private', source: 'served' },
      { name: 'tickets@staging', primary: 'local/tickets@staging', source: 'served' },
      {
        name: 'support',
        fallback: ['openai/gpt-5-mini'],
        canary: '50 % local/tickets@staging',
        data_class: 'internal',
        source: 'mlx.yaml',
      },
      { name: 'secret', data_class: 'private', source: 'mlx.yaml' },
    ]);
    const { stdout } = await run('routes', 'ls');
    expect(stdout).toContain('support: openai/gpt-5-mini: OPENAI_API_KEY was not set where the gateway was started');
    expect(stdout).toContain('secret: local/other: no model server runs for other');
  });

  it('explains which upstream a request would take, and why not the others', async () => {
    const { stdout } = await run('routes', 'explain', 'secret');
    expect(stdout.split('\n')).toEqual([
      'secret goes to ollama/llama, on this machine (fallback).',
      '  not local/other (primary): no model server runs for other: mlx serve other',
      '  data class private: never leaves this machine',
      '  the gateway does not run: breakers are not known',
      '',
    ]);
  });

  it('tells the sides of a canary apart, always the same way', async () => {
    const sides = await Promise.all(
      Array.from({ length: 12 }, async (_, index) => {
        const { value } = await json('routes', 'explain', 'support', '--feature', `feature-${index}`);
        return (value as { takes: { role: string; version: string } }).takes;
      }),
    );
    expect(new Set(sides.map(({ role, version }) => `${role} ${version}`))).toEqual(
      new Set(['canary tickets:3', 'primary tickets:2']),
    );
    expect((await run('routes', 'explain', 'support')).stdout).toContain('50 % go to local/tickets@staging first');
  });

  it('takes the key that asks by id or name, and names those that there are for one that there is not', async () => {
    writeConfig(config.replace('sticky: feature', 'sticky: key'));
    const side = async (key: string) => (await run('routes', 'explain', 'support', '--key', key)).stdout;
    for (const name of ['billing-app', 'old']) await run('keys', 'create', name);
    await run('keys', 'revoke', 'old');
    const { keys } = (await json('keys', 'ls')).value as { keys: { key: string }[] };
    expect(await side('billing-app')).toBe(await side(keys[0]?.key ?? ''));
    expect(await side('owner')).toContain('support goes to');
    for (const key of ['biling-app', 'old']) {
      const { status, stderr } = await run('routes', 'explain', 'support', '--key', key);
      expect(status).toBe(2);
      expect(stderr).toContain(`There is no key '${key}'.`);
      expect(stderr).toContain('There are: billing-app. See them all: mlx keys ls');
    }
  });

  it('names the routes that there are for one that there is not', async () => {
    const { status, stderr } = await run('routes', 'explain', 'suport');
    expect(status).toBe(2);
    expect(stderr).toContain('There are: tickets, tickets@staging, support, secret');
  });
});

describe('mlx gateway reload', () => {
  it('brings a new route to the running gateway, and refuses a wrong file with its lines', async () => {
    await run('gateway', 'start');
    writeConfig(`${config}  added: { primary: local/tickets }\n`);
    expect((await json('gateway', 'reload')).value).toMatchObject({
      reloaded: true,
      routes: ['support', 'secret', 'added'],
      unusable: [{ name: 'openai' }],
    });
    writeConfig(`${config}  added: { primary: nowhere/x }\n`);
    const { status, stderr } = await run('gateway', 'reload');
    expect(status).toBe(2);
    expect(stderr).toContain('mlx.yaml:14');
    expect(stderr).toContain("there is no upstream 'nowhere'");
  });

  it('says that no gateway runs', async () => {
    expect((await run('gateway', 'reload')).stderr).toContain('GATEWAY_DOWN');
  });
});
