import { expect, test } from 'vitest';

import { compareLock, decisiveDrift, isAllowable, toAllow } from '../../../src/recipe/drift.js';
import { parseLock, renderLock, type Lock } from '../../../src/recipe/lock.js';
import { hash, lock } from './sample-lock.js';

test('a lock reads back as it was written, and writes the same text again', () => {
  const text = renderLock(lock());
  expect(parseLock(text, 'x.lock.yaml')).toEqual(lock());
  expect(renderLock(parseLock(text, 'x.lock.yaml'))).toBe(text);
});

test('the order in which entries were added does not show', () => {
  const other = lock();
  other.runtime.packages = { peft: '0.21.2', torch: '2.13.0' };
  expect(renderLock(other)).toBe(renderLock(lock()));
});

test('a lock that was edited by hand is refused, a comment or another line ending is not an edit', () => {
  const text = renderLock(lock());
  expect(() => parseLock(text.replace('torch: 2.13.0', 'torch: 2.14.0'), 'x')).toThrowError(
    expect.objectContaining({ code: 'LOCK_EDITED' }),
  );
  expect(() => parseLock(text.replace(/lock_sha256: .*/, ''), 'x')).toThrowError(
    expect.objectContaining({ code: 'LOCK_EDITED' }),
  );
  expect(parseLock(`# note\n${text.replaceAll('\n', '\r\n')}`, 'x')).toEqual(lock());
});

test('a lock of a newer mlx, and a file that is no lock, say so', () => {
  expect(() => parseLock('lock: 2\n', 'x')).toThrowError(expect.objectContaining({ code: 'LOCK_NEWER' }));
  expect(() => parseLock('a: [', 'x')).toThrowError(expect.objectContaining({ code: 'LOCK_INVALID' }));
});

test('nothing drifted: every row is ok', () => {
  const rows = compareLock(lock(), lock());
  expect(rows.every((row) => row.status === 'ok')).toBe(true);
  expect(decisiveDrift(rows)).toEqual([]);
});

test.each<[string, (today: Lock) => void]>([
  ['recipe.settings.lora.r', (today) => (today.recipe.settings['lora.r'] = '16')],
  ['base_model.files.model.safetensors', (today) => (today.base_model.files = { 'model.safetensors': hash('9') })],
  ['base_model.commit', (today) => (today.base_model.commit = 'other')],
  ['dataset.train.rows', (today) => (today.dataset.train.merkle_root = hash('9'))],
  ['dataset.train.order', (today) => (today.dataset.train.file_sha256 = hash('9'))],
  ['runtime.packages.torch', (today) => (today.runtime.packages = { torch: '2.14.0', peft: '0.21.2' })],
  ['runtime.packages.numpy', (today) => (today.runtime.packages = { ...today.runtime.packages, numpy: '2' })],
  ['runtime.scripts.train.py', (today) => (today.runtime.scripts['train.py'] = hash('9'))],
  ['runtime.reference', (today) => (today.runtime.reference = 'trainer.txt@2')],
  ['runtime.python', (today) => (today.runtime.python = '3.12.1')],
  ['machine.cpu', (today) => (today.machine.cpu = 'another')],
  ['determinism.seeds.seed', (today) => (today.determinism.seeds['seed'] = 43)],
  ['determinism.environment.PYTHONHASHSEED', (today) => delete today.determinism.environment['PYTHONHASHSEED']],
])('a change of %s is named, and nothing else', (field, change) => {
  const today = lock();
  change(today);
  expect(decisiveDrift(compareLock(lock(), today)).map((row) => row.field)).toEqual([field]);
});

test('drift that is allowed by its field or a beginning of it does not stop a replay', () => {
  const today = lock();
  today.machine.cpu = 'another';
  today.runtime.packages = { torch: '2.14.0', peft: '0.21.2' };
  expect(decisiveDrift(compareLock(lock(), today, ['machine', 'runtime.packages.torch']))).toEqual([]);
  expect(decisiveDrift(compareLock(lock(), today, ['machin'])).map((row) => row.field)).toContain('machine.cpu');
});

test('another commit, and another image of the same inputs, are told and stop nothing', () => {
  const today = lock();
  today.code.commit = 'abc';
  today.runtime.id = 'trainer-def';
  const rows = compareLock({ ...lock(), code: { commit: 'def', patch_sha256: null } }, today);
  expect(rows.filter(({ status }) => status === 'drift').map(({ field }) => field)).toEqual([
    'runtime.id',
    'code.commit',
  ]);
  expect(decisiveDrift(rows)).toEqual([]);
});

test('what is not on this machine is unknown as a whole', () => {
  const today = lock();
  today.base_model.files = null;
  today.runtime.packages = null;
  const unknown = compareLock(lock(), today).filter(({ status }) => status === 'unknown');
  expect(unknown.map(({ field }) => field)).toEqual(['base_model.files', 'runtime.packages']);
});

test('what one side did not record is unknown, not drift', () => {
  const today = lock();
  today.machine.driver = '580.1';
  const row = compareLock(lock(), today).find(({ field }) => field === 'machine.driver');
  expect(row?.status).toBe('unknown');
});

test('what to allow names every drifted field, several of a group by the group, and no file that is missing', () => {
  const today = lock();
  today.machine.cpu = 'another';
  today.runtime.packages = { torch: '2.14.0', peft: '0.22.0' };
  today.determinism.seeds['seed'] = 43;
  today.base_model.files = {};
  expect(toAllow(compareLock(lock(), today))).toEqual(['runtime.packages', 'machine.cpu', 'determinism.seeds.seed']);
});

test('groups, fields and entries of open groups can be allowed, other names cannot', () => {
  for (const field of ['machine', 'dataset.train', 'machine.cpu', 'runtime.packages', 'runtime.packages.numpy']) {
    expect(isAllowable(field)).toBe(true);
  }
  for (const field of ['', 'machin', 'machine.cpus', 'dataset.test']) expect(isAllowable(field)).toBe(false);
});

test('overrides stand in the comparison where there are some', () => {
  const overridden = lock();
  overridden.recipe.overrides = ['seed=9'];
  expect(compareLock(overridden, overridden)[0]).toMatchObject({ field: 'recipe.overrides', locked: 'seed=9' });
  expect(compareLock(lock(), lock()).map(({ field }) => field)).not.toContain('recipe.overrides');
});

test('a lock says which rows file_sha256 is of', () => {
  expect(renderLock(lock())).toMatch(/^# file_sha256 is that of the rows as they were prepared/m);
});

test.each<[string, string]>([
  ['', 'it is empty'],
  ['a: 1\n', 'it says no lock: 1'],
  ['lock: 1\nrecipe: [\n', 'line '],
  ['lock: 1\n<<<<<<< HEAD\na: 1\n=======\na: 2\n>>>>>>> other\n', 'a merge conflict, first at line 2'],
])('a file that is no lock says why, and how to have the written one back', (text, why) => {
  expect(() => parseLock(text, 'recipes/x.lock.yaml')).toThrowError(
    expect.objectContaining({
      code: 'LOCK_INVALID',
      message: expect.stringContaining(why),
      hint: expect.stringMatching(/git checkout .*-- recipes\/x\.lock\.yaml/),
    }),
  );
});
