// What a person reads of a lock and a replay, and whether what it tells to type works.
import { describe, expect, it } from 'vitest';

import { checkLock } from '../../../src/replay/replay.js';
import { renderReport } from '../../../src/replay/report.js';
import { train } from '../../../src/training/train.js';
import { fakeEngine } from '../training/fake-engine.js';
import { edgesOf, project } from '../training/tickets-project.js';
import { again, check, row, sourceOf, trained } from './world.js';

describe('a recipe in a folder of its own', () => {
  const recipe = 'base_model: { path: base }\ndataset: { train: data/train.jsonl, held_out: data/held-out.jsonl }\n';

  async function smoke() {
    const place = project();
    place.file('recipes/ci/smoke.yaml', recipe);
    const { edges, notes } = edgesOf(place, fakeEngine());
    const { id } = await train(edges, { recipe: 'recipes/ci/smoke.yaml', overrides: ['seed=9'] });
    return { ...place, edges, notes, id, engine: fakeEngine(), first: id };
  }

  it('is told by its path, with the overrides that its lock holds', async () => {
    const { notes } = await smoke();
    expect(notes.at(-1)).toBe(
      'Locked in recipes/ci/smoke.lock.yaml with overrides seed=9, which the recipe does not say: commit it with its .rows, ' +
        'and mlx replay recipes/ci/smoke.yaml does this run again.',
    );
  });

  it.each(['smoke', 'ci/smoke', 'recipes/ci/smoke.yaml'])(
    'is found as %s before the runs of this name',
    async (name) => {
      const world = await smoke();
      await train(world.edges, { recipe: 'recipes/ci/smoke.yaml', overrides: [], lock: false });
      expect((await sourceOf(world, name)).shown).toBe('recipes/ci/smoke.lock.yaml');
      expect((await sourceOf(world, world.id)).shown).toContain(world.id);
    },
  );

  it('of which there are two is refused with both', async () => {
    const world = await smoke();
    world.file('recipes/other/smoke.lock.yaml', '');
    await expect(sourceOf(world, 'smoke')).rejects.toMatchObject({
      code: 'AMBIGUOUS',
      message: expect.stringContaining('recipes/ci/smoke.lock.yaml, recipes/other/smoke.lock.yaml'),
    });
  });

  it('whose rows changed is locked anew by its path', async () => {
    const world = await smoke();
    world.file('data/train.jsonl', row('other'));
    const report = await checkLock(world.edges, await sourceOf(world, 'smoke'), { allowed: [] });
    expect(renderReport(report, 200)).toContain('mlx train recipes/ci/smoke.yaml');
    expect(renderReport(report, 200)).toMatch(/recipe\.overrides +seed=9/);
  });
});

it('a conclusion names the drift that was allowed', async () => {
  const world = await trained();
  world.file('data/train.jsonl', row('other'));
  const said = renderReport(await check(world, ['dataset.train']), 200);
  expect(said).toContain('no drift but what was allowed: dataset.train.rows');
  expect(renderReport(await check(await trained()), 200)).toContain('A replay would start from what the lock says.');
});

it('a replay that was interrupted is to be replayed, not resumed', async () => {
  const world = await trained();
  world.engine.trainer = ({ say }) => {
    say({ event: 'stopped', step: 1 });
    return { status: 0 };
  };
  expect(await again(world)).toMatchObject({
    verdict: 'not_finished',
    error: { code: 'INTERRUPTED', hint: `Replay it again, from its beginning: mlx replay ${world.first}` },
  });
});
