import { spawn } from 'node:child_process';
import { once } from 'node:events';

import { describe, expect, it, onTestFinished } from 'vitest';

import { ownerOf } from '../../src/engine/owner.js';
import { mlxJson } from './mlx.js';
import { addRun, project } from './runs-project.js';

describe('mlx runs stop', () => {
  it('says so when there is nothing to stop', async () => {
    const place = project();
    addRun(place, 'tickets-000001', 90);
    const { value, status } = await mlxJson(['runs', 'stop'], place);
    expect(value).toEqual({ run: 'tickets-000001', state: 'finished', stopped: false });
    expect(status).toBe(0);
  });

  it('ends the mlx of a run, also one that dies of it without a word', async () => {
    const place = project();
    const trainer = spawn(process.execPath, ['-e', 'setInterval(() => undefined, 1000)'], { stdio: 'ignore' });
    onTestFinished(() => void trainer.kill('SIGKILL'));
    await once(trainer, 'spawn');
    const owner = ownerOf(trainer.pid ?? 0) ?? null;
    addRun(place, 'tickets-000001', 90, { state: 'running', owner, endedAtMs: null });
    expect((await mlxJson(['runs', 'stop', '--dry-run'], place)).value).toMatchObject({ state: 'running' });
    const { value } = await mlxJson(['runs', 'stop'], place);
    expect(value).toEqual({ run: 'tickets-000001', state: 'stopped', stopped: true });
    expect(trainer.signalCode).toBe('SIGTERM');
  });
});
