// The project around: is mlx.yaml valid, do the folders belong to this user alone, is anything left of processes that died.
import { chmodSync, existsSync, mkdirSync, rmSync, statSync } from 'node:fs';

import { deadFiles } from './leftovers.js';
import { fail, ok, skip, warn, type Finding } from './finding.js';
import type { Machine } from './machine.js';

/** Only the owner may read what lies in .mlx: prompts, keys, adapters. */
const privateMode = 0o700;

export function checkProject(machine: Machine): Promise<Finding[]> {
  const { project, configError } = machine;
  if (project === undefined) return Promise.resolve([skip('project', 'not in a project (mlx init makes one)')]);
  if (configError === undefined) return Promise.resolve([ok('project', project.configFile)]);
  const problems = configError.problems.map(({ line, path, message }) =>
    [line === undefined ? '' : `line ${line}:`, path ?? '', message].filter(Boolean).join(' '),
  );
  const what = [configError.message, ...problems].join('\n');
  return Promise.resolve([
    fail('project', what, 'Commands in this project stop with this error.', configError.hint ?? 'mlx config'),
  ]);
}

export function checkFolders(machine: Machine): Promise<Finding[]> {
  const open = privateFolders(machine).filter((folder) => isOpen(folder));
  if (machine.project === undefined || !existsSync(machine.project.state)) return Promise.resolve([]);
  if (open.length === 0) return Promise.resolve([ok('folders', `${machine.project.state} is yours alone`)]);
  const why = 'Other users of this machine can read prompts, keys and adapters.';
  return Promise.resolve([warn('folders', `open to others: ${open.join(', ')}`, why, 'mlx doctor --fix')]);
}

/** Safe: makes what any command would make, and takes rights away from others only. */
export function fixFolders(machine: Machine): Promise<string[]> {
  const done: string[] = [];
  for (const folder of [machine.home.home, ...privateFolders(machine)]) {
    if (!existsSync(folder)) {
      mkdirSync(folder, { recursive: true, mode: privateMode });
      done.push(`made ${folder}`);
    }
  }
  for (const folder of privateFolders(machine).filter(isOpen)) {
    chmodSync(folder, privateMode);
    done.push(`closed ${folder} to other users`);
  }
  return Promise.resolve(done);
}

export async function checkLeftovers(machine: Machine): Promise<Finding[]> {
  if (machine.project === undefined) return [];
  const dead = await deadFiles([machine.project.run, machine.project.sockets], Date.now());
  if (dead.length === 0) return [];
  const why = 'Their processes are gone; mlx sees through them, but they clutter mlx status.';
  return [
    warn(
      'leftovers',
      `${dead.length} ${dead.length === 1 ? 'file' : 'files'} of dead processes in ${machine.project.run}`,
      why,
      'mlx doctor --fix',
    ),
  ];
}

export async function fixLeftovers(machine: Machine): Promise<string[]> {
  if (machine.project === undefined) return [];
  const dead = await deadFiles([machine.project.run, machine.project.sockets], Date.now());
  for (const file of dead) rmSync(file, { force: true });
  return dead.map((file) => `removed ${file}, whose process is gone`);
}

function privateFolders({ project }: Machine): string[] {
  return project === undefined ? [] : [project.state, project.runs, project.run, project.secrets];
}

function isOpen(folder: string): boolean {
  return existsSync(folder) && (statSync(folder).mode & 0o077) !== 0;
}
