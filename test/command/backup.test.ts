// `mlx backup --restore`: what an older copy of the ledger does not know is said.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';

import { expect, it } from 'vitest';

import { mlx, mlxJson } from './mlx.js';
import { addRun, project } from './runs-project.js';

it('names the folders of runs that the restored copy does not know, and what shows and deletes them', async () => {
  const place = project();
  addRun(place, 'tickets-aaa001', 90);
  place.ledger.close();
  const { value } = await mlxJson(['backup'], place);
  const { file } = value as { file: string };
  expect((await mlxJson(['backup', '--restore', file, '--yes'], place)).value).toMatchObject({ orphaned_runs: [] });
  for (const id of ['tickets-bbb002', 'tickets-ccc003']) mkdirSync(join(place.runs, id), { recursive: true });
  const { stdout, status } = await mlx(['backup', '--restore', file, '--yes'], place);
  expect(status).toBe(0);
  expect(stdout).toContain(
    '2 folders in .mlx/runs are of runs that this copy does not know: tickets-bbb002, tickets-ccc003\nSee them: mlx gc --dry-run',
  );
});
