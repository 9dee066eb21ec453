// What a person is told to type next when a share could not be taken back: the same command means production once it is gone.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { expect, onTestFinished, test } from 'vitest';

import { MlxError } from '../../../src/errors.js';
import { openLedger } from '../../../src/ledger/open.js';
import { findRoute, setRoute } from '../../../src/ledger/promotions.js';
import { setSplit } from '../../../src/ledger/route-splits.js';
import { rollBackCanary } from '../../../src/registry/canary-rollback.js';

const broken = new MlxError('DISK_FULL', 'no room', { hint: 'Make room' });
const end = { outcome: 'taken_back', code: null, actor: 'ada', reason: 'worse' } as const;

/** Version 1 is live, and version 2 on trial. @param owner of the share; undefined: nobody gets it any more */
async function failure(owner: string | null | undefined, error: Error = broken): Promise<unknown> {
  const folder = mkdtempSync(join(tmpdir(), 'mlx-take-back-'));
  const ledger = openLedger(join(folder, 'ledger.db'));
  onTestFinished(() => {
    ledger.close();
    rmSync(folder, { recursive: true });
  });
  const route = { model: 'tickets', engine: 'host', address: 'unix:/nowhere', updatedAtMs: 1 } as const;
  setRoute(ledger, { ...route, name: 'tickets', version: 1, digest: 'sha256:1', serverId: 'a' });
  setRoute(ledger, { ...route, name: 'tickets@canary', version: 2, digest: 'sha256:2', serverId: 'b' });
  const share = { name: 'tickets', kind: 'canary', candidate: 'tickets@canary', percent: 5, sticky: 'key' } as const;
  if (owner !== undefined) setSplit(ledger, { ...share, owner });
  const trial = findRoute(ledger, 'tickets@canary');
  if (!trial) throw new Error('no canary');
  const stop = new AbortController();
  if (error !== broken) stop.abort();
  const asking = { ledger, signal: stop.signal, open: () => Promise.reject(error) };
  return rollBackCanary(asking, trial, end).catch((thrown: unknown) => thrown);
}

const never = 'Then: mlx releases recover. Not mlx rollback again: it would take production of tickets back';

test.each<[string, string | null | undefined, string, string]>([
  [
    'while the share stands: to look first, as the gateway may end it meanwhile',
    null,
    'no room',
    'Then, only while mlx status shows the share: mlx rollback tickets',
  ],
  ['while the share waits to be ended by the next command: that alone', '1:0:0', 'no room', never],
  [
    'once nobody gets the share any more: the rest of it alone',
    undefined,
    'The share of tickets:2 is taken back, but what comes after it failed: no room',
    never,
  ],
])('%s', async (_what, owner, message, hint) => {
  expect(await failure(owner)).toMatchObject({ code: 'DISK_FULL', message, hint: `Make room. ${hint}` });
});

test('Ctrl-C is told as such, with the same next step', async () => {
  expect(await failure(undefined, new Error('aborted'))).toMatchObject({ code: 'INTERRUPTED', hint: never });
});
