import { join } from 'node:path';

import { v7 as uuidv7 } from 'uuid';
import { expect, it } from 'vitest';

import { openTraffic, openTrafficForReading } from '../../../src/ledger/traffic.js';
import { findRequest } from '../../../src/ledger/traffic-request.js';
import { scratchFolder } from '../engine/scratch.js';
import { trafficRow } from './traffic-example.js';

const { startedAtMs } = trafficRow();
const idAt = (msecs: number): string => `req_${uuidv7({ msecs })}`;

it('one answer is found by its id, whose time may be another than that of its row', () => {
  const file = join(scratchFolder(), 'traffic.db');
  const traffic = openTraffic(file);
  const [near, far] = [idAt(startedAtMs + 3), idAt(startedAtMs - 3_600_000)];
  traffic.insert([trafficRow({ requestId: near }), trafficRow({ requestId: far, status: 503 })]);
  traffic.insert([
    trafficRow({ requestId: 'req_2', status: 504 }),
    trafficRow({ requestId: `${near}-shadow`, status: 500 }),
  ]);
  traffic.close();
  const reading = openTrafficForReading(file);
  if (!reading) throw new Error('no log');
  expect(findRequest(reading, near)).toMatchObject({ requestId: near, status: 200 });
  expect(findRequest(reading, `${near}-shadow`)).toMatchObject({ status: 500 });
  expect(findRequest(reading, far)).toMatchObject({ requestId: far, status: 503 });
  expect(findRequest(reading, 'req_2')).toMatchObject({ status: 504 });
  expect(findRequest(reading, idAt(startedAtMs))).toBeUndefined();
  reading.close();
});
