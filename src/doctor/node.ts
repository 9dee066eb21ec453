// Node.js itself. bin/mlx.js refuses anything older than 20.19 before this is reached.
import { ok, warn, type Finding } from './finding.js';

/** The oldest series that still gets security fixes at the time of this release. */
const oldestMaintained = 22;

export function checkNode(): Promise<Finding[]> {
  const version = process.versions.node;
  const what = `Node.js ${version} (${process.execPath})`;
  if (Number(version.split('.')[0]) >= oldestMaintained) return Promise.resolve([ok('node', what)]);
  const why = `It works; the ${version.split('.')[0] ?? ''} series gets no security fixes any more, and newer ones start twice as fast.`;
  return Promise.resolve([warn('node', what, why, 'nvm install 22')]);
}
