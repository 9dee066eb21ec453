import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

import { describe, expect, it } from 'vitest';

import { MlxError } from '../../../src/errors.js';
import { checkModelDirectory } from '../../../src/privacy/model-directory.js';
import { scratchFolder } from '../engine/scratch.js';

function safetensors(header: unknown, dataBytes: number): Buffer {
  const text = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  return Buffer.concat([length, text, Buffer.alloc(dataBytes)]);
}

const oneTensor = {
  'w.weight': { dtype: 'F32', shape: [2, 2], data_offsets: [0, 16] },
  __metadata__: { format: 'pt' },
};

function model(files: Record<string, string | Buffer> = {}): string {
  const folder = scratchFolder();
  const whole = {
    'config.json': '{"model_type": "qwen3"}',
    'tokenizer.json': '{"model": {"vocab": {"auto_map": 17}}}',
    'model.safetensors': safetensors(oneTensor, 16),
    ...files,
  };
  for (const [name, contents] of Object.entries(whole)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), contents);
  }
  return folder;
}

async function reasons(folder: string): Promise<string[]> {
  const error: unknown = await checkModelDirectory(folder).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof MlxError)) throw new Error('it was accepted');
  expect(error.code).toBe('MODEL_UNSAFE');
  return error.problems.map(({ file, message }) => `${file}: ${message}`);
}

describe('a model folder', () => {
  it('with safetensors, tokenizer and JSON files is accepted', async () => {
    const folder = model({ 'chat_template.jinja': '{{ messages }}', 'README.md': 'auto_map', 'merges.txt': 'a b' });
    symlinkSync(join(folder, 'model.safetensors'), join(folder, 'again.safetensors'));
    await expect(checkModelDirectory(folder)).resolves.toBeUndefined();
  });

  it('is refused with every reason at once', async () => {
    const folder = model({
      'modeling_own.py': 'import os',
      'pytorch_model.bin': 'pickle',
      'original/consolidated.00.PTH': 'pickle',
      'optimizer.pt': 'pickle',
      'scheduler.pkl': 'pickle',
      'last.ckpt': 'pickle',
      'config.json': '{"auto_map": {"AutoModel": "modeling_own.Own"}}',
      'tokenizer_config.json': '{"inner": [{"auto_map": ["own.Tokenizer", null]}]}',
    });
    expect(await reasons(folder)).toEqual([
      'config.json: names Python to import (auto_map)',
      'last.ckpt: is a pickle, which runs code when it is loaded',
      'modeling_own.py: is a program',
      'optimizer.pt: is a pickle, which runs code when it is loaded',
      'original/consolidated.00.PTH: is a pickle, which runs code when it is loaded',
      'pytorch_model.bin: may be a pickle, which runs code when it is loaded',
      'scheduler.pkl: is a pickle, which runs code when it is loaded',
      'tokenizer_config.json: names Python to import (auto_map)',
    ]);
  });

  it('is refused when a link leads out of it, or nowhere', async () => {
    const folder = model();
    const elsewhere = model();
    symlinkSync(join(elsewhere, 'config.json'), join(folder, 'generation_config.json'));
    symlinkSync(elsewhere, join(folder, 'more'));
    symlinkSync('/does/not/exist', join(folder, 'vocab.json'));
    const outside = 'is a link that leads out of the folder';
    expect(await reasons(folder)).toEqual([
      `generation_config.json: ${outside}`,
      `more: ${outside}`,
      `vocab.json: ${outside}`,
    ]);
  });

  it('is refused without weights', async () => {
    const folder = scratchFolder();
    writeFileSync(join(folder, 'config.json'), '{}');
    expect(await reasons(folder)).toEqual([`${folder}: has no weights as safetensors`]);
  });

  it('is refused when its index names weights elsewhere', async () => {
    const index = JSON.stringify({ weight_map: { a: 'model-00001.safetensors', b: '../../other.safetensors' } });
    expect(await reasons(model({ 'model.safetensors.index.json': index }))).toEqual([
      'model.safetensors.index.json: its weight_map names ../../other.safetensors',
    ]);
  });

  it('is refused when a JSON file is none', async () => {
    expect(await reasons(model({ 'generation_config.json': '{' }))).toEqual(['generation_config.json: is not JSON']);
  });

  it('that does not exist is not found', async () => {
    await expect(checkModelDirectory('/does/not/exist')).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });
});

describe('a safetensors file', () => {
  const impossible = 'is no safetensors file: its header has an impossible length';
  it.each([
    ['empty', Buffer.alloc(0), 'is too short to be a safetensors file'],
    [
      'a pickle under another name',
      Buffer.from('\x80\x04\x95 this is a pickle, long enough to look like weights'),
      impossible,
    ],
    ['a page of an error', Buffer.from('<!doctype html><html><body>Not found</body></html>'), impossible],
    ['cut short', safetensors(oneTensor, 10), 'is cut short: 6 bytes are missing'],
    ['longer than its tensors', safetensors(oneTensor, 20), 'has 4 bytes that belong to no tensor'],
    [
      'of a header that is a list',
      safetensors([1], 0),
      'is no safetensors file: its header is not the JSON that belongs there',
    ],
    [
      'of a tensor with impossible bounds',
      safetensors({ w: { dtype: 'F32', shape: [1], data_offsets: [4, 0] } }, 0),
      'is no safetensors file: a tensor has impossible bounds',
    ],
  ])('that is %s is refused', async (_, contents, message) => {
    expect(await reasons(model({ 'model.safetensors': contents }))).toEqual([`model.safetensors: ${message}`]);
  });
});
