// The list of checks, in the order in which they are shown. A new check: its own file, one line here (CONTRIBUTING.md).
import { checkBuildx, checkCompose, checkDocker } from './docker.js';
import { checkDisk } from './disk.js';
import type { Finding } from './finding.js';
import { checkGpu } from './gpu.js';
import { checkHub } from './hub.js';
import type { Machine } from './machine.js';
import { checkMemory, checkSharedMemory } from './memory.js';
import { checkCertificates, checkProxy } from './network.js';
import { checkNode } from './node.js';
import { checkPorts } from './ports.js';
import { checkFolders, checkLeftovers, checkProject, fixFolders, fixLeftovers } from './project.js';
import { checkPython, checkTrainerEnvironment, checkUv, fixUv } from './python.js';
import { checkSqlite } from './sqlite.js';

export type Check = {
  /** No finding: the check does not apply here and nobody misses it. */
  find: (machine: Machine) => Promise<Finding[]>;
  /** Only what cannot do harm: never system packages, never data. Returns what was done, for people. */
  fix?: (machine: Machine) => Promise<string[]>;
};

export const checks: readonly Check[] = [
  { find: checkNode },
  { find: checkPython },
  { find: checkUv, fix: fixUv },
  { find: checkTrainerEnvironment },
  { find: checkDocker },
  { find: checkCompose },
  { find: checkBuildx },
  { find: checkGpu },
  { find: checkDisk },
  { find: checkMemory },
  { find: checkSharedMemory },
  { find: checkPorts },
  { find: checkSqlite },
  { find: checkHub },
  { find: checkProxy },
  { find: checkCertificates },
  { find: checkProject },
  { find: checkFolders, fix: fixFolders },
  { find: checkLeftovers, fix: fixLeftovers },
];
