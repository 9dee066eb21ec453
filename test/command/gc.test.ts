import { existsSync, mkdirSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';

import { train } from '../../src/training/train.js';
import { fakeEngine, goodTrainer } from '../unit/training/fake-engine.js';
import { edgesOf, project, tickets } from '../unit/training/tickets-project.js';
import { weightsFile } from '../unit/replay/weights.js';
import { mlx, mlxJson } from './mlx.js';

type Place = ReturnType<typeof project>;

const contents = ({ paths }: Place): string[] =>
  readdirSync(paths.store, { recursive: true, encoding: 'utf8' }).filter((name) => name.length > 60);

/** Two runs on the same rows with different weights; the lock is the second's. */
async function twoRuns(): Promise<Place & { first: string; second: string }> {
  const place = project();
  place.file('mlx.yaml', 'engine: host\n');
  let value = 1;
  const { edges } = edgesOf(
    place,
    fakeEngine(async (inside) => {
      const exit = await goodTrainer(inside);
      const weights = weightsFile({ lora_A: { dtype: 'F32', values: [(value += 1)] } });
      writeFileSync(join(inside.folder('out'), 'adapter', 'adapter_model.safetensors'), weights);
      return exit;
    }),
  );
  const { id: first } = await train(edges, tickets);
  const { id: second } = await train(edges, tickets);
  return { ...place, first, second };
}

describe('mlx gc', () => {
  it('keeps what runs and locks need', async () => {
    const place = await twoRuns();
    expect(contents(place)).toHaveLength(4);
    const { value, stdout } = await mlxJson(['gc'], place);
    expect(value).toEqual({ removed: [], would_remove: [], bytes: 0 });
    expect(stdout).not.toBe('');
    expect(contents(place)).toHaveLength(4);
  });

  it('removes what only a deleted run needed, and what a lock still names stays', async () => {
    const place = await twoRuns();
    await mlx(['runs', 'rm', place.first, place.second, '--yes'], place);
    const planned = await mlxJson(['gc', '--dry-run'], place);
    expect(planned.value).toMatchObject({ removed: [], would_remove: [{ kind: 'content' }] });
    expect(contents(place)).toHaveLength(4);
    const { value } = await mlxJson(['gc', '--yes'], place);
    expect(value).toMatchObject({ removed: [{ kind: 'content', bytes: expect.any(Number) }] });
    expect(contents(place)).toHaveLength(3);
    rmSync(join(place.folder, 'recipes', 'tickets.lock.yaml'));
    await mlx(['gc', '--yes'], place);
    expect(contents(place)).toEqual([]);
  });

  it('removes the folder of a run that never began, but not of one that begins now', async () => {
    const place = await twoRuns();
    const [old, young] = ['old-1', 'young-1'].map((name) => join(place.paths.runs, name));
    for (const folder of [old ?? '', young ?? '']) mkdirSync(folder);
    utimesSync(old ?? '', 0, 0);
    await mlx(['gc', '--yes'], place);
    expect([existsSync(old ?? ''), existsSync(young ?? '')]).toEqual([false, true]);
  });

  it('asks before it deletes', async () => {
    const place = await twoRuns();
    rmSync(join(place.folder, 'recipes', 'tickets.lock.yaml'));
    await mlx(['runs', 'rm', place.first, '--yes'], place);
    const refused = await mlxJson(['gc'], place);
    expect(refused.value).toMatchObject({ error: { code: 'PROMPT_NEEDS_TERMINAL' } });
    expect(contents(place)).toHaveLength(4);
  });
});
