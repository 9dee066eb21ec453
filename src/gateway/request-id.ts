// Ids of requests: UUIDs that begin with the time (RFC 9562, version 7), so that an index over them grows at its end, not all over
// the file.
import { randomFillSync } from 'node:crypto';

import { v7 as uuidv7 } from 'uuid';

const randomBytes = 16;
/** Filled at once: asking the system for 16 bytes costs as much as for all of these. */
const pool = Buffer.alloc(randomBytes * 256);
let used = pool.length;

export function newRequestId(): string {
  if (used === pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  used += randomBytes;
  return `req_${uuidv7({ random: pool.subarray(used - randomBytes, used) })}`;
}
