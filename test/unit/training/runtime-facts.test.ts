import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { expect, test } from 'vitest';

import { packageRoot } from '../../../src/config/paths.js';
import { runtimeFacts } from '../../../src/training/runtime-facts.js';

const requirements = readFileSync(join(packageRoot(), 'recipes/requirements/trainer.txt'), 'utf8');
const listed = [...requirements.matchAll(/^(?<name>[\w.-]+)==(?<version>[^\s;\\]+)/gm)].map(({ groups = {} }) => [
  groups['name'] ?? '',
  groups['version'] ?? '',
]);

/** What a Python has that takes the first, or the last, of the versions that are listed for a package. */
const installed = {
  first: Object.fromEntries(listed.toReversed()) as Record<string, string>,
  last: Object.fromEntries(listed) as Record<string, string>,
};

const packagesOf = (versions: Record<string, string>) =>
  runtimeFacts('host', { reference: 'r', id: 'i', python: '3.12.1', installed: versions }).packages ?? {};

test('where nothing is installed yet, whichever version a lock took of those that are allowed is no drift', () => {
  expect(installed.first).not.toEqual(installed.last);
  for (const versions of [installed.first, installed.last]) {
    const locked = packagesOf(versions);
    expect(runtimeFacts('host', undefined, locked).packages).toEqual(locked);
  }
});

test('where nothing is installed yet, a version of the lock that is no longer allowed is drift', () => {
  const [name = '', version = ''] = listed[0] ?? [];
  const locked = { ...packagesOf(installed.last), [name]: '0.0.1 archives 00' };
  expect(runtimeFacts('host', undefined, locked).packages?.[name]).toMatch(version);
});

test('a version that the list does not know has no archives', () => {
  const [name = ''] = listed[0] ?? [];
  expect(packagesOf({ [name]: '0.0.1' })).toEqual({ [name]: '0.0.1' });
});
