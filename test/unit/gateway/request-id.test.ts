import { version } from 'uuid';
import { expect, test } from 'vitest';

import { newRequestId } from '../../../src/gateway/request-id.js';

test('ids of requests are UUIDs of version 7, and none comes twice when the pool of random bytes is filled anew', () => {
  const ids = Array.from({ length: 2_000 }, newRequestId);
  expect(new Set(ids).size).toBe(ids.length);
  expect(ids.every((id) => id.startsWith('req_') && version(id.slice(4)) === 7)).toBe(true);
});

test('an id of later sorts after one of before', async () => {
  const before = newRequestId();
  const beforeMs = Date.now();
  while (Date.now() === beforeMs) await new Promise(setImmediate);
  expect(newRequestId() > before).toBe(true);
});
