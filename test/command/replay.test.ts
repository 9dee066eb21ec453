// `mlx replay` as a person types it, up to where training would begin: the lock was written by a scripted training.
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';

import { train } from '../../src/training/train.js';
import { fakeEngine } from '../unit/training/fake-engine.js';
import { edgesOf, project, tickets } from '../unit/training/tickets-project.js';
import { mlx, mlxJson } from './mlx.js';

/** The scripted engine has packages of its own; the real one of the command is asked for others. */
const allow = ['--allow', 'runtime'];

async function locked(): Promise<ReturnType<typeof project> & { lockFile: string }> {
  const place = project();
  place.file('mlx.yaml', 'engine: host\n');
  await train(edgesOf(place, fakeEngine()).edges, tickets);
  return { ...place, lockFile: join(place.folder, 'recipes', 'tickets.lock.yaml') };
}

describe('mlx replay --check', () => {
  it('finds no drift where nothing changed, and begins no run', async () => {
    const place = await locked();
    const { value, status } = await mlxJson(['replay', 'tickets', '--check', ...allow], place);
    expect(status).toBe(0);
    expect(value).toMatchObject({ replays: [{ recipe: 'tickets', verdict: 'no_drift', run: null, comparison: null }] });
    const { value: listed } = await mlxJson(['runs', 'ls'], place);
    expect(listed).toMatchObject({ runs: [{ run: expect.any(String) }] });
  });

  it('without a name looks at every lock, and names a changed row by its line, for people and for CI', async () => {
    const place = await locked();
    place.file('data/train.jsonl', readFileSync(join(place.folder, 'data/train.jsonl'), 'utf8').replace('two', 'zwei'));
    const junit = join(place.folder, 'drift.xml');
    const { stdout, status } = await mlx(['replay', '--check', '--junit', junit, ...allow], place);
    expect(status).toBe(6);
    expect(stdout).toMatch(/^!! +dataset\.train\.rows/m);
    expect(stdout).toContain('data/train.jsonl line 2 was changed (train)');
    expect(stdout).toContain('Nothing was trained.');
    const xml = readFileSync(junit, 'utf8');
    expect(xml).toContain('<testcase classname="tickets" name="recipe.settings"/>');
    expect(xml).toMatch(
      /name="dataset\.train\.rows"><failure message="lock: [0-9a-f]{64}, today: [0-9a-f]{64}&#10;data\/train/,
    );
    expect(xml).toMatch(/tests="\d+" failures="1" skipped="\d+"/);
  });
});

describe('mlx replay refuses', () => {
  it.each<[string, (place: Awaited<ReturnType<typeof locked>>) => string[], string, number]>([
    [
      'a lock edited by hand',
      ({ lockFile }) => {
        writeFileSync(lockFile, readFileSync(lockFile, 'utf8').replace('steps: 2', 'steps: 3'));
        return ['tickets'];
      },
      'LOCK_EDITED',
      1,
    ],
    [
      'a lock of a newer mlx',
      ({ lockFile }) => {
        writeFileSync(lockFile, 'lock: 2\n');
        return ['tickets'];
      },
      'LOCK_NEWER',
      1,
    ],
    [
      'a file that is no lock',
      ({ file }) => {
        file('recipes/other.lock.yaml', 'a: 1\n');
        return ['recipes/other.lock.yaml'];
      },
      'LOCK_INVALID',
      1,
    ],
    [
      'a recipe without a lock',
      ({ lockFile }) => {
        rmSync(lockFile);
        return ['tickets'];
      },
      'LOCK_MISSING',
      1,
    ],
    [
      'a project without a lock',
      ({ lockFile }) => {
        rmSync(lockFile);
        return ['--check'];
      },
      'LOCK_MISSING',
      1,
    ],
    [
      'a lock whose recipe is gone',
      ({ folder, lockFile }) => {
        rmSync(join(folder, 'recipes', 'tickets.yaml'));
        return [lockFile];
      },
      'RECIPE_NOT_FOUND',
      2,
    ],
    ['what is no recipe, lock or run', () => ['nothing'], 'NOT_FOUND', 2],
    ['a field that no lock has', () => ['tickets', '--check', '--allow', 'machin'], 'USAGE', 2],
    ['an empty field', () => ['tickets', '--check', '--allow', 'machine,'], 'USAGE', 2],
    ['a report in a folder that is not there', () => ['tickets', '--junit', 'none/drift.xml'], 'NOT_WRITABLE', 1],
    ['a report in the place of a folder', () => ['tickets', '--junit', 'recipes'], 'NOT_WRITABLE', 1],
    ['a tolerance that is no number', () => ['tickets', '--tolerance', 'much'], 'USAGE', 2],
  ])('%s', async (_what, change, code, status) => {
    const place = await locked();
    const refused = await mlxJson(['replay', ...change(place)], place);
    expect(refused.value).toMatchObject({ error: { code, hint: expect.any(String) } });
    expect(refused.status).toBe(status);
  });

  it('the beginning of several run ids, naming them', async () => {
    const place = await locked();
    await train(edgesOf(place, fakeEngine()).edges, tickets);
    const refused = await mlxJson(['replay', 'tickets-', '--check'], place);
    expect(refused.value).toMatchObject({ error: { code: 'AMBIGUOUS' } });
    expect(refused.status).toBe(2);
  });
});

describe('a lock that cannot be read', () => {
  it('counts as drift and keeps nobody from looking at the others', async () => {
    const place = await locked();
    writeFileSync(join(place.folder, 'recipes', 'broken.lock.yaml'), '');
    writeFileSync(join(place.folder, 'recipes', 'old.lock.yaml'), readFileSync(place.lockFile));
    rmSync(join(place.folder, 'recipes', 'tickets.yaml'));
    const junit = join(place.folder, 'drift.xml');
    const { stdout, status } = await mlx(['replay', '--check', '--junit', junit, ...allow], place);
    expect(status).toBe(6);
    expect(stdout).toContain('recipes/broken.lock.yaml is not a lock: it is empty.');
    expect(stdout).toContain('recipes/tickets.lock.yaml has lost its recipe');
    expect(stdout).toContain('Delete or rename the lock too');
    expect(readFileSync(junit, 'utf8').match(/name="lock"><failure/g)).toHaveLength(3);
  });

  it('is in the report that a CI server reads, also when it is asked for alone', async () => {
    const place = await locked();
    writeFileSync(place.lockFile, 'lock: [');
    const junit = join(place.folder, 'drift.xml');
    const { status } = await mlx(['replay', 'tickets', '--junit', junit], place);
    expect(status).toBe(1);
    expect(readFileSync(junit, 'utf8')).toMatch(/failures="1".*\n.*<failure message="LOCK_INVALID: /);
  });
});
