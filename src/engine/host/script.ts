// The Python scripts that mlx ships.
import { join } from 'node:path';

import { packageRoot } from '../../config/paths.js';

export function scriptFile(name: string): string {
  return join(packageRoot(), 'recipes', 'trainer', name);
}
