import { createHash } from 'node:crypto';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';

import { hashTrainedWeights } from '../../../src/training/adapter.js';
import { startedRun, tinyWeights } from './examples.js';

const weights = tinyWeights('one');

function adapterWith(files: Record<string, string | Buffer>) {
  const { folder } = startedRun();
  mkdirSync(folder.adapter, { recursive: true });
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder.adapter, name), text);
  return folder;
}

const sha256 = (text: string | Buffer): string => createHash('sha256').update(text).digest('hex');

describe('trained weights', () => {
  it('are named by the hash of the weights alone', async () => {
    const one = adapterWith({ 'adapter_model.safetensors': weights, 'adapter_config.json': '{"a":1}' });
    const other = adapterWith({ 'adapter_model.safetensors': weights, 'adapter_config.json': '{"b":2}' });
    expect((await hashTrainedWeights(one, 'adapter')).sha256).toBe(sha256(weights));
    expect((await hashTrainedWeights(other, 'adapter')).sha256).toBe(sha256(weights));
  });

  it('of a whole model in parts are named by all parts', async () => {
    const { folder } = startedRun();
    mkdirSync(folder.model);
    writeFileSync(join(folder.model, 'model-00002.safetensors'), tinyWeights('two'));
    writeFileSync(join(folder.model, 'model-00001.safetensors'), tinyWeights('one'));
    const lines = `${sha256(tinyWeights('one'))}  model-00001.safetensors\n${sha256(tinyWeights('two'))}  model-00002.safetensors\n`;
    expect((await hashTrainedWeights(folder, 'model')).sha256).toBe(sha256(lines));
  });

  it('that are not there fail the run', async () => {
    await expect(hashTrainedWeights(startedRun().folder, 'adapter')).rejects.toMatchObject({ code: 'ADAPTER_MISSING' });
    const empty = adapterWith({ 'adapter_config.json': '{}' });
    await expect(hashTrainedWeights(empty, 'adapter')).rejects.toMatchObject({ code: 'ADAPTER_MISSING' });
  });

  it.each(['training_args.bin', 'model.pt', 'custom.py', 'state.pkl'])('beside %s are refused', async (name) => {
    const folder = adapterWith({ 'adapter_model.safetensors': weights, [name]: 'x' });
    await expect(hashTrainedWeights(folder, 'adapter')).rejects.toMatchObject({ code: 'ADAPTER_UNSAFE' });
  });

  it('that were cut off while they were written are refused', async () => {
    const folder = adapterWith({ 'adapter_model.safetensors': weights.subarray(0, weights.length - 3) });
    await expect(hashTrainedWeights(folder, 'adapter')).rejects.toMatchObject({ code: 'ADAPTER_UNSAFE' });
  });

  it('that are a link to somewhere else are refused', async () => {
    const folder = adapterWith({});
    symlinkSync('/etc/hostname', join(folder.adapter, 'adapter_model.safetensors'));
    await expect(hashTrainedWeights(folder, 'adapter')).rejects.toMatchObject({ code: 'ADAPTER_UNSAFE' });
  });
});
