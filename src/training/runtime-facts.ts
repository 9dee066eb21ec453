// What computes a training: the trainer's scripts, and the packages that it runs on. Reads recipes/ and what the engine says.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';

import { packageRoot } from '../config/paths.js';
import type { EngineKind, RuntimeDescription } from '../engine/engine.js';
import type { Lock } from '../recipe/lock.js';
import { scriptsOf } from './scripts.js';

/**
 * @param description undefined: nobody could say (no Engine answers)
 * @param locked packages of a lock: while nothing is installed here, those with a condition (another platform) count only when
 *   the lock has them
 */
export function runtimeFacts(
  engine: EngineKind,
  description: RuntimeDescription | undefined,
  locked?: Record<string, string> | null,
): Lock['runtime'] {
  const allowed = allowedPackages();
  return {
    engine,
    reference: description?.reference ?? null,
    id: description?.id ?? null,
    python: description?.python ?? null,
    scripts: scriptHashes(),
    packages:
      description?.installed === undefined
        ? wouldBeInstalled(allowed, locked ?? {})
        : asInstalled(allowed, description.installed),
  };
}

type AllowedPackage = { version: string; archives: string; conditional: boolean };

/** Of recipes/requirements/trainer.txt: the one list that both engines install. Another Python may take another version. */
function allowedPackages(): Map<string, AllowedPackage[]> {
  const text = readFileSync(join(packageRoot(), 'recipes', 'requirements', 'trainer.txt'), 'utf8');
  const packages = new Map<string, AllowedPackage[]>();
  for (const entry of text.split(/\n(?=\S)/)) {
    const { name, version, condition } =
      /^(?<name>[\w.-]+)==(?<version>[^\s;\\]+)(?<condition>\s*;)?/.exec(entry)?.groups ?? {};
    if (name === undefined || version === undefined) continue;
    const hashes = [...entry.matchAll(/--hash=sha256:([0-9a-f]{64})/g)].map(([, hash]) => hash).sort();
    const archives = createHash('sha256').update(hashes.join('\n')).digest('hex').slice(0, 16);
    const allowed = { version, archives, conditional: condition !== undefined };
    packages.set(name, [...(packages.get(name) ?? []), allowed]);
  }
  return packages;
}

/** What is installed in another version than the list says came from elsewhere: its archive is not known. */
function asInstalled(
  allowed: Map<string, AllowedPackage[]>,
  installed: Record<string, string>,
): Record<string, string> {
  const named = Object.entries(installed).map(([name, version]) => {
    const known = allowed.get(name)?.find((each) => each.version === version);
    return [name, known === undefined ? version : withArchives(known)] as const;
  });
  return Object.fromEntries(named);
}

/** Which of several versions the Python of the runtime would take is not known: that of the lock, where it is one of them. */
function wouldBeInstalled(
  allowed: Map<string, AllowedPackage[]>,
  locked: Record<string, string>,
): Record<string, string> {
  const named = [...allowed].flatMap(([name, versions]) => {
    const counted = versions.filter(({ conditional }) => !conditional || name in locked).map(withArchives);
    const found = counted.find((text) => text === locked[name]) ?? counted.at(-1);
    return found === undefined ? [] : [[name, found] as const];
  });
  return Object.fromEntries(named);
}

function withArchives({ version, archives }: AllowedPackage): string {
  return `${version} archives ${archives}`;
}

function scriptHashes(): Record<string, string> {
  const scripts = scriptsOf(join(packageRoot(), 'recipes', 'trainer'), 'train.py');
  const hash = (file: string): string => createHash('sha256').update(readFileSync(file)).digest('hex');
  return Object.fromEntries(scripts.map((file) => [basename(file), hash(file)]));
}
