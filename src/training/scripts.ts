// The trainer's Python files that a script is made of.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** A script and those of the same folder that it imports, at any depth, sorted. */
export function scriptsOf(folder: string, script: string, known = new Set<string>()): string[] {
  const file = join(folder, script);
  if (known.has(file) || !existsSync(file)) return [...known].sort();
  known.add(file);
  for (const match of readFileSync(file, 'utf8').matchAll(/^\s*(?:from|import)\s+(\w+)/gm)) {
    scriptsOf(folder, `${match[1] ?? ''}.py`, known);
  }
  return [...known].sort();
}
