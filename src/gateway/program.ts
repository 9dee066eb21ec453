// How a gateway's process is started, whoever starts it.
import { join } from 'node:path';

import { packageRoot } from '../config/paths.js';

/**
 * A request leaves about 40 KB of garbage; with Node's own 16 MB for it, collecting it takes a tenth of what a request adds. Node's code
 * on large pages is found sooner after a pause; where the system has none, nothing is said (docs/decisions/0005).
 */
const nodeFlags = ['--max-semi-space-size=32', '--use-largepages=silent'];

/** Node and bin/mlx.js; the words of a command come after it. */
export function gatewayProgram(): [string, ...string[]] {
  return [process.execPath, ...nodeFlags, join(packageRoot(), 'bin', 'mlx.js')];
}
