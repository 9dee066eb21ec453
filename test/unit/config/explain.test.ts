import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { expect, it } from 'vitest';

import { explainConfig } from '../../../src/config/explain.js';
import { scratchFolder } from '../engine/scratch.js';

function configFile(text: string): { configFile: string } {
  const file = join(scratchFolder(), 'mlx.yaml');
  writeFileSync(file, text);
  return { configFile: file };
}

it('says of each setting whether a flag, a variable, a line or the default decides', async () => {
  const place = configFile('engine: docker\ngpu: off\ngateway:\n  port: 4700\n');
  const environment = { MLX_GATEWAY_PORT: '4800', MLX_ENGINE: 'auto' };
  const settings = await explainConfig(place, environment, { engine: 'host' });
  const origins = Object.fromEntries(settings.map((one) => [one.key, `${one.value ?? '-'} by ${one.origin}`]));
  expect(origins).toMatchObject({
    engine: 'host by --engine',
    gpu: 'off by mlx.yaml:2',
    'gateway.port': '4800 by MLX_GATEWAY_PORT',
    'mlflow.port': '4601 by default',
    'mlflow.tracking_uri': '- by default',
  });
});

it('never shows the password inside an address', async () => {
  const settings = await explainConfig(configFile('mlflow:\n  tracking_uri: https://me:secret@mlflow.test/\n'), {}, {});
  expect(settings.find((one) => one.key === 'mlflow.tracking_uri')?.value).toBe('https://***@mlflow.test/');
  expect(JSON.stringify(settings)).not.toContain('secret');
});
