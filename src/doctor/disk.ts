// Free disk where packages, models, images and runs go. Folders on one file system are told apart all the same.
import { existsSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { dirname } from 'node:path';

import { fail, ok, warn, type Finding } from './finding.js';
import type { Machine } from './machine.js';
import { trainerPython } from './python.js';

/** Runs and versions of the demo take 0.2 GiB, the packages 6 GiB, the images with their build cache 14 GiB. */
const projectGib = 1;
const packagesGib = 7;
const imagesGib = 15;
const comfortableGib = 10;

export async function checkDisk(machine: Machine): Promise<Finding[]> {
  const { home, project, docker, engine } = machine;
  const installed = engine.kind === 'docker' || (await trainerPython(machine)) !== undefined;
  const places = [
    { check: 'disk project', folder: project?.project ?? process.cwd(), neededGib: projectGib },
    { check: 'disk mlx home', folder: home.home, neededGib: installed ? projectGib : packagesGib },
  ];
  if (docker.reachable && docker.rootFolder !== undefined && engine.kind === 'docker')
    places.push({
      check: 'disk images',
      folder: docker.rootFolder,
      neededGib: (await imagesAreBuilt(machine)) ? projectGib : imagesGib,
    });
  const findings = await Promise.all(
    places.map(({ check, folder, neededGib }) => checkPlace(check, folder, neededGib)),
  );
  return findings.filter((finding) => finding !== undefined);
}

/** undefined when the folder is not on this machine (an Engine elsewhere, or in a VM). */
async function checkPlace(check: string, folder: string, neededGib: number): Promise<Finding | undefined> {
  const existing = nearestExisting(folder);
  if (existing === '/' && folder !== '/' && check === 'disk images') return undefined;
  const { bavail, bsize } = await statfs(existing);
  const freeGib = (bavail * bsize) / 2 ** 30;
  const what = `${freeGib.toFixed(1)} GiB free for ${folder}`;
  if (freeGib < neededGib) return fail(check, what, `About ${neededGib} GiB are needed.`, fixFor(check));
  if (freeGib < comfortableGib)
    return warn(check, what, 'A base model of 8 billion parameters alone takes 16 GB.', fixFor(check));
  return ok(check, what);
}

function fixFor(check: string): string {
  if (check === 'disk images') return 'docker system df shows what uses it; docker builder prune frees the build cache';
  if (check === 'disk mlx home') return 'Set MLX_HOME to a folder on a larger disk, or free some space.';
  return 'Free some space: mlx runs ls, then mlx runs rm RUN';
}

async function imagesAreBuilt(machine: Machine): Promise<boolean> {
  const answer = await machine.ask('docker', 'images', '--quiet', '--filter', 'label=mlx.runtime=trainer');
  return answer?.status === 0 && answer.stdout.trim() !== '';
}

function nearestExisting(folder: string): string {
  let existing = folder;
  while (!existsSync(existing)) existing = dirname(existing);
  return existing;
}
