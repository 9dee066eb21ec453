// The Python scripts that mlx ships.
import { join, resolve } from 'node:path';

import { packageRoot } from '../../config/paths.js';

/** A script of recipes/trainer by its name; an absolute path stays. */
export function scriptFile(name: string): string {
  return resolve(join(packageRoot(), 'recipes', 'trainer'), name);
}
