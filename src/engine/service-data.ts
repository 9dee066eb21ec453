// Where a stack service keeps what outlives it.
import { join } from 'node:path';

import type { Paths } from '../config/paths.js';

export function serviceDataFolder(paths: Paths, name: string): string {
  return join(paths.state, name);
}
