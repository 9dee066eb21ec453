import { join } from 'node:path';
import { writeFileSync } from 'node:fs';

import { describe, expect, it } from 'vitest';

import { loadConfig } from '../../../src/config/load.js';
import { MlxError } from '../../../src/errors.js';
import { scratchFolder } from '../engine/scratch.js';

function project(text: string): { project: string; configFile: string } {
  const folder = scratchFolder();
  writeFileSync(join(folder, 'mlx.yaml'), text);
  return { project: folder, configFile: join(folder, 'mlx.yaml') };
}

async function problems(text: string): Promise<string[]> {
  const error: unknown = await loadConfig(project(text), {}).catch((thrown: unknown) => thrown);
  if (!(error instanceof MlxError)) throw new Error('it was accepted');
  return error.problems.map(({ line, path, message }) => `${line ?? '?'} ${path ?? ''}: ${message}`);
}

describe('upstreams', () => {
  it('of a known host need nothing but their name', async () => {
    const { upstreams } = await loadConfig(project('upstreams:\n  openai: {}\n  anthropic: {}\n'), {});
    expect(upstreams).toMatchObject([
      { name: 'openai', dialect: 'openai', url: 'https://api.openai.com/v1', key: { variable: 'OPENAI_API_KEY' } },
      {
        name: 'anthropic',
        dialect: 'anthropic',
        url: 'https://api.anthropic.com',
        key: { variable: 'ANTHROPIC_API_KEY' },
      },
    ]);
  });

  it('take a key from a file beside mlx.yaml', async () => {
    const place = project('upstreams:\n  openai: { key_file: secret }\n');
    const { upstreams } = await loadConfig(place, {});
    expect(upstreams[0]?.key).toEqual({ file: join(place.project, 'secret') });
  });

  it.each([
    ['  openai: { key: sk-123 }', 'upstreams.openai.key: a key never stands in mlx.yaml'],
    [
      '  local: { dialect: openai, url: "http://localhost:1" }',
      "upstreams.local: 'local' is this machine's own models",
    ],
    ['  x: { dialect: openai }', 'upstreams.x: url is missing'],
    ['  x: { url: "https://x.test" }', 'upstreams.x: dialect is missing'],
    ['  x: { dialect: openai, url: "http://x.test" }', 'upstreams.x.url: must begin with https://'],
    ['  x: { dialect: openai, url: "ftp://127.0.0.1" }', 'upstreams.x.url: must begin with https://'],
    ['  x: { dialect: openai, url: "https://a:b@x.test" }', 'upstreams.x.url: must hold no user'],
    [
      '  x: { dialect: openai, url: "https://x.test", local: true }',
      'upstreams.x.local: only an upstream on 127.0.0.1',
    ],
    ['  x: { dialect: openai, url: "https://127.0.0.1.x.test", local: true }', 'upstreams.x.local: only'],
    ['  openai: { key_env: A, key_file: b }', 'upstreams.openai.key_file: key_env and key_file together'],
    ['  openai: { rewrite: { set: { model: x } } }', 'upstreams.openai.rewrite.set.model: is no name that fits'],
    ['  openai: { ulr: "https://x.test" }', 'upstreams.openai.ulr: unknown key; did you mean url?'],
    ['  Open AI: {}', 'upstreams.Open AI: is no name that fits'],
  ])('%s is refused', async (line, problem) => {
    expect((await problems(`upstreams:\n${line}\n`))[0]).toContain(`2 ${problem}`);
  });
});

describe('routes', () => {
  it('name their targets, and have defaults for the rest', async () => {
    const { routes } = await loadConfig(project('routes:\n  support: { primary: local/tickets@production }\n'), {});
    expect(routes).toEqual([
      {
        name: 'support',
        primary: { upstream: 'local', model: 'tickets' },
        fallback: [],
        canary: undefined,
        shadow: undefined,
        dataClass: 'internal',
        timeouts: { connectMs: 3_000, firstByteMs: 600_000, idleMs: 120_000, totalMs: 3_600_000 },
        retries: 1,
        rewrite: { drop: [], rename: {}, set: {} },
        prompt: undefined,
        redaction: {},
        capturePercent: 0,
      },
    ]);
  });

  it('keep the slashes in a name of a model', async () => {
    const text = 'upstreams:\n  openai: {}\nroutes:\n  r: { primary: openai/meta/llama }\n';
    expect((await loadConfig(project(text), {})).routes[0]?.primary).toEqual({
      upstream: 'openai',
      model: 'meta/llama',
    });
  });

  it('are refused with every problem and its line', async () => {
    const text = [
      'upstreams:',
      '  openai: {}',
      'routes:',
      '  a:',
      '    primary: tickets',
      '    retries: 99',
      '    canary: { target: local/x, percent: 101, sticky: cookie }',
      '  b: { fallback: [local/x] }',
    ].join('\n');
    expect(await problems(text)).toEqual([
      expect.stringContaining('5 routes.a.primary: the text'),
      expect.stringContaining('6 routes.a.retries: must be at most 5'),
      expect.stringContaining('7 routes.a.canary.percent: must be at most 100'),
      expect.stringContaining('7 routes.a.canary.sticky: the text'),
      expect.stringContaining('8 routes.b.primary: is missing'),
    ]);
  });

  it('that are private are refused with a target elsewhere, wherever it stands', async () => {
    const text = [
      'upstreams:',
      '  openai: {}',
      '  ollama: { dialect: openai, url: "http://localhost:11434/v1", local: true }',
      'routes:',
      '  secret:',
      '    data_class: private',
      '    primary: local/tickets',
      '    fallback: [ollama/llama, openai/gpt-5]',
      '    canary: { target: openai/gpt-5, percent: 1 }',
      '    shadow: { target: openai/gpt-5 }',
      '  other: { primary: nowhere/x }',
    ].join('\n');
    expect(await problems(text)).toEqual([
      "8 routes.secret.fallback.1: data_class is private: 'openai/gpt-5' is not on this machine",
      "9 routes.secret.canary.target: data_class is private: 'openai/gpt-5' is not on this machine",
      "10 routes.secret.shadow.target: data_class is private: 'openai/gpt-5' is not on this machine",
      "11 routes.other.primary: there is no upstream 'nowhere' under upstreams: local, openai, ollama",
    ]);
  });
});
