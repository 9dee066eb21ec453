import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, expect, test } from 'vitest';

import { gatewayKey } from '../../../src/gateway/key.js';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'mlx-key-'));
});

afterEach(() => rmSync(folder, { recursive: true }));

test('is made once, readable by its user alone, and leaves no draft behind', () => {
  const secrets = join(folder, 'secrets');
  const key = gatewayKey(secrets);
  expect(key).toMatch(/^mlx_.{43}$/);
  expect(gatewayKey(secrets)).toBe(key);
  expect(statSync(join(secrets, 'gateway-key')).mode & 0o777).toBe(0o600);
  expect(statSync(secrets).mode & 0o777).toBe(0o700);
  expect(readdirSync(secrets)).toEqual(['gateway-key']);
});

test.each(['', '\n', 'mlx_short'])('a file that holds %j never becomes a key', (content) => {
  writeFileSync(join(folder, 'gateway-key'), content);
  expect(() => gatewayKey(folder)).toThrowError(expect.objectContaining({ code: 'KEY_INVALID' }));
});
