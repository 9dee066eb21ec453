// What is missing, edited or unreadable: said on the field or the file that it belongs to.
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';

import { checkLock, replayStatus, type ReplayReport } from '../../../src/replay/replay.js';
import { renderReport } from '../../../src/replay/report.js';
import { train } from '../../../src/training/train.js';
import { fakeEngine } from '../training/fake-engine.js';
import { edgesOf, project, tickets } from '../training/tickets-project.js';
import { again, check, drifted, row, sourceOf, trained } from './world.js';

describe('a base model folder', () => {
  it('a base model folder that is not there is drift, and nothing to allow', async () => {
    const world = await trained();
    rmSync(join(world.folder, 'base'), { recursive: true });
    const report = await check(world, ['base_model']);
    expect(drifted(report)).toEqual(['base_model.files']);
    expect(renderReport(report, 200)).toContain('base_model.files  the folder is not there');
    expect(renderReport(report, 200)).not.toContain('--allow');
    expect(replayStatus(report)).toBe(6);
    expect(await again(world)).toMatchObject({ verdict: 'drift', run: null });
  });

  const written = (path: string): string =>
    `base_model: { path: '${path}' }\ndataset: { train: data/train.jsonl, held_out: data/held-out.jsonl }\n`;

  it('inside of the project stands in the lock by its way from there, however the recipe gives it', async () => {
    const place = project();
    const { edges } = edgesOf(place, fakeEngine());
    for (const path of ['./base', join(place.folder, 'base')]) {
      place.file('recipes/tickets.yaml', written(path));
      await train(edges, tickets);
      expect(readFileSync(join(place.folder, 'recipes', 'tickets.lock.yaml'), 'utf8')).toMatch(
        /^ {2}repository: base$/m,
      );
    }
  });
});

describe('the rows file beside a lock', () => {
  it.each<[string, (text: string) => string]>([
    ['a hash of another row', (text) => text.replace(/^[0-9a-f]{16} 2$/m, `${'0'.repeat(16)} 2`)],
    ['a row less', (text) => text.replace(/^[0-9a-f]{16} 2\n/m, '')],
  ])('with %s is refused by its name', async (_what, change) => {
    const world = await trained();
    const file = join(world.folder, 'recipes', 'tickets.lock.rows');
    writeFileSync(file, change(readFileSync(file, 'utf8')));
    await expect(check(world)).rejects.toMatchObject({
      code: 'LOCK_EDITED',
      message: expect.stringContaining('recipes/tickets.lock.rows'),
      hint: expect.stringContaining('git checkout -- recipes/tickets.lock.rows'),
    });
  });

  it('may have the line endings of another system, and is missed when it is gone', async () => {
    const world = await trained();
    const file = join(world.folder, 'recipes', 'tickets.lock.rows');
    writeFileSync(file, readFileSync(file, 'utf8').replaceAll('\n', '\r\n'));
    expect((await check(world)).notes).toEqual([]);
    rmSync(file);
    world.file('data/train.jsonl', row('other'));
    expect(renderReport(await check(world), 200)).toContain('rows file missing: changed rows cannot be named');
  });
});

describe('rows that cannot be prepared', () => {
  const datasetFields = ({ fields }: ReplayReport) =>
    fields
      .filter(({ field }) => field.startsWith('dataset.'))
      .map(({ field, status, today }) => [field, status, today]);

  it('are named with their line, on their own split, in full', async () => {
    const world = await trained();
    world.file('data/train.jsonl', row('one') + '{"prompt": 1}\n');
    const report = await check(world);
    expect(datasetFields(report)).toEqual([
      ['dataset.train.rows', 'drift', expect.stringMatching(/^data\/train\.jsonl line 2 /)],
      ['dataset.held_out.rows', 'unknown', 'not known here'],
    ]);
    const said = report.fields.find(({ field }) => field === 'dataset.train.rows')?.today ?? '';
    expect(renderReport(report, 60)).toContain(said);
  });

  it('and a missing file is one of its split alone', async () => {
    const world = await trained();
    rmSync(join(world.folder, 'data', 'held-out.jsonl'));
    const [train, heldOut] = datasetFields(await check(world));
    expect(train?.[1]).toBe('unknown');
    expect(heldOut).toEqual(['dataset.held_out.rows', 'drift', expect.stringContaining('data/held-out.jsonl')]);
  });
});

it('a recipe that got another name together with its lock is found beside it', async () => {
  const world = await trained();
  for (const end of ['yaml', 'lock.yaml', 'lock.rows']) {
    renameSync(join(world.folder, 'recipes', `tickets.${end}`), join(world.folder, 'recipes', `mails.${end}`));
  }
  const source = await sourceOf(world, 'recipes/mails.lock.yaml');
  const report = await checkLock(world.edges, source, { allowed: [] });
  expect(drifted(report).filter((field) => !field.startsWith('recipe.settings.'))).toEqual([]);
  expect(report.recipeReference).toBe('mails');
});
