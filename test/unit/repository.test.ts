// What no file of the repository may hold: a path or a name of the machine that it was written on, an index of packages,
// a secret; and what every lock must hold.
import { readFileSync, statSync } from 'node:fs';
import { homedir, hostname, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

import { describe, expect, it } from 'vitest';

import { repositoryFiles, root } from './source-tree.js';

const largestTextBytes = 2_000_000;
const files = repositoryFiles()
  .filter((path) => statSync(join(root, path)).size < largestTextBytes)
  .map((path) => ({ path, text: readFileSync(join(root, path), 'utf8') }));

/** The place of every line that matches, without the line: it may be a secret. */
function places(pattern: RegExp, among = files): string[] {
  return among.flatMap(({ path, text }) =>
    text.split('\n').flatMap((line, index) => (pattern.test(line) ? [`${path}:${index + 1}`] : [])),
  );
}

function literally(words: readonly string[]): RegExp {
  return new RegExp(words.map((word) => word.replaceAll(/[.*+?^${}()|[\]\\/]/g, '\\$&')).join('|'));
}

describe('the repository', () => {
  it('names no path of the machine that it lies on', () => {
    const here = [root, dirname(root)].map((folder) => `${folder.replace(/\/$/, '')}/`);
    const homes = homedir() === '/' ? [] : [`${homedir()}/`];
    const own = here.filter((folder) => folder.length > 2 && folder !== `${tmpdir()}/`);
    expect(places(literally([...own, ...homes]))).toEqual([]);
    // Nor of any other: temporary folders are asked for, homes are ~.
    const code = files.filter(({ path }) => /^(src|scripts|bench|bin|\.ci)\//.test(path));
    expect(places(/['"`\s=](\/home\/\w+|\/Users\/\w+|\/root)\//, code)).toEqual([]);
  });

  it('names neither this machine nor its package indexes', () => {
    const generic = new Set(['localhost', 'vm', 'runner', '']);
    const names = [hostname(), ...indexHosts()].filter((name) => !generic.has(name));
    expect(names.length === 0 ? [] : places(literally(names))).toEqual([]);
  });

  it('has locks that are complete and name no index', () => {
    const locks = files.filter(
      ({ path }) => /^recipes\/requirements\/.*\.txt$/.test(path) && !path.includes('overrides'),
    );
    expect(locks.length).toBeGreaterThan(3);
    expect(places(/^(-i|--(extra-)?index-url|--find-links|--trusted-host)\b/, locks)).toEqual([]);
    for (const { path, text } of locks) {
      const unhashed = text
        .split(/\n(?=\w)/)
        .filter((entry) => entry.includes('==') && !entry.includes('--hash=sha256:'));
      expect(unhashed, path).toEqual([]);
    }
    expect(
      places(
        /"resolved":/,
        files.filter(({ path }) => path === 'package-lock.json'),
      ),
    ).toEqual([]);
  });

  it('holds no key', () => {
    expect(
      places(/\b(hf_[A-Za-z0-9]{30,}|sk-[A-Za-z0-9_-]{32,}|ghp_[A-Za-z0-9]{36})\b|-----BEGIN [A-Z ]*PRIVATE KEY/),
    ).toEqual([]);
  });
});

/** Hosts of mirrors that this machine installs from; the public ones may be named. */
function indexHosts(): string[] {
  const names = ['PIP_INDEX_URL', 'PIP_EXTRA_INDEX_URL', 'UV_INDEX', 'UV_DEFAULT_INDEX', 'UV_INDEX_URL'];
  const addresses = [...names, 'npm_config_registry'].map((name) => process.env[name] ?? '');
  const publicHosts = new Set(['registry.npmjs.org', 'pypi.org', 'download.pytorch.org']);
  return addresses
    .flatMap((value) => value.split(/\s+/))
    .filter((address) => URL.canParse(address))
    .map((address) => new URL(address).hostname)
    .filter((host) => !publicHosts.has(host));
}
