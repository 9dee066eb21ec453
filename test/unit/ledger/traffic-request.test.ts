import { join } from 'node:path';

import Database from 'better-sqlite3';
import { expect, it } from 'vitest';

import { openTraffic, openTrafficForReading } from '../../../src/ledger/traffic.js';
import { findRequest } from '../../../src/ledger/traffic-request.js';
import { trafficSteps } from '../../../src/ledger/traffic-schema.js';
import { scratchFolder } from '../engine/scratch.js';
import { trafficRow } from './traffic-example.js';

it('one answer is found by its id, through an index, also in a log of the first version', () => {
  const file = join(scratchFolder(), 'traffic.db');
  const old = new Database(file);
  old.exec(trafficSteps[0] ?? '');
  old.pragma('user_version = 1');
  old.close();
  const traffic = openTraffic(file);
  traffic.insert([trafficRow({ requestId: 'req_1' }), trafficRow({ requestId: 'req_2', status: 503 })]);
  const plan = traffic.database.prepare('EXPLAIN QUERY PLAN SELECT status FROM requests WHERE request_id = ?').all('x');
  expect(JSON.stringify(plan)).toContain('requests_by_id');
  traffic.close();
  const reading = openTrafficForReading(file);
  expect(reading && findRequest(reading, 'req_2')).toMatchObject({ requestId: 'req_2', status: 503 });
  expect(reading && findRequest(reading, 'req_3')).toBeUndefined();
  reading?.close();
});
