import { mkdirSync, writeFileSync } from 'node:fs';

import { stripVTControlCharacters } from 'node:util';
import { describe, expect, it } from 'vitest';

import type { Check } from '../../../src/doctor/checks.js';
import { examine } from '../../../src/doctor/examine.js';
import { fail, ok, skip, warn } from '../../../src/doctor/finding.js';
import { renderExamination } from '../../../src/doctor/render.js';
import { checkSqlite } from '../../../src/doctor/sqlite.js';
import { MlxError } from '../../../src/errors.js';
import { fakeMachine, host } from './fake-machine.js';

describe('an examination', () => {
  it('fixes only when asked, before it looks', async () => {
    const done: string[] = [];
    const check: Check = {
      find: () => Promise.resolve([done.length > 0 ? ok('folder', 'there') : warn('folder', 'missing', 'why')]),
      fix: () => Promise.resolve(done.length > 0 ? [] : [`made ${done.push('folder')} folder`]),
    };
    expect((await examine(fakeMachine(), false, [check])).findings).toMatchObject([{ status: 'warn' }]);
    expect(await examine(fakeMachine(), true, [check])).toMatchObject({
      fixed: ['made 1 folder'],
      counts: { ok: 1, warn: 0 },
    });
    expect((await examine(fakeMachine(), true, [check])).fixed).toEqual([]);
  });

  it('goes on after a fix that fails, and says so', async () => {
    const broken: Check = {
      find: () => Promise.resolve([]),
      fix: () => Promise.reject(new MlxError('UV_MISSING', 'pip could not install uv', { hint: 'set PIP_INDEX_URL' })),
    };
    const whole: Check = { find: () => Promise.resolve([]), fix: () => Promise.resolve(['made a folder']) };
    expect(await examine(fakeMachine(), true, [broken, whole])).toMatchObject({
      findings: [{ check: 'fix', status: 'warn', what: 'pip could not install uv', fix: 'set PIP_INDEX_URL' }],
      fixed: ['made a folder'],
    });
  });

  it('is shown with what, why and fix below each other', async () => {
    const check: Check = {
      find: () =>
        Promise.resolve([
          ok('node', 'Node.js 22.1.0'),
          fail('docker engine', 'does not answer', 'Jobs run in it.', 'sudo systemctl start docker'),
          skip('gpu', 'no NVIDIA GPU'),
        ]),
    };
    const page = renderExamination(await examine(fakeMachine({ engine: host }), false, [check]));
    expect(stripVTControlCharacters(page).split('\n')).toEqual([
      'Engine host (no Docker Engine answers)',
      '',
      '✓ node           Node.js 22.1.0',
      '✗ docker engine  does not answer',
      '                 Jobs run in it.',
      '                 fix sudo systemctl start docker',
      '- gpu            no NVIDIA GPU',
      '',
      'Not ready: 1 missing, 1 ok, 1 skipped',
    ]);
  });
});

describe('SQLite', () => {
  it('is examined together with the ledger of the project', async () => {
    const machine = fakeMachine();
    expect(await checkSqlite(machine)).toMatchObject([{ check: 'sqlite', status: 'ok' }]);
    mkdirSync(machine.project?.state ?? '', { recursive: true });
    writeFileSync(machine.project?.ledgerFile ?? '', 'this is no database, whatever its name says'.repeat(50));
    expect(await checkSqlite(machine)).toMatchObject([{ status: 'ok' }, { check: 'ledger', status: 'fail' }]);
  });
});
