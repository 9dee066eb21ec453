// The demo's tickets, some of them, with a recipe that is quick, in a project of its own; and a base model of two layers for all.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { homePaths, packageRoot } from '../../src/config/paths.js';
import { ensureVenv } from '../../src/engine/host/venvs.js';
import { runProgram } from '../../src/engine/exec.js';
import { scratchProject, type Project } from './project.js';

export function ticketsProject(recipe: string): Project {
  const data = (name: string, rows: number): string => {
    const text = readFileSync(join(packageRoot(), 'templates', 'demo', 'data', name), 'utf8');
    return `${text.split('\n').slice(0, rows).join('\n')}\n`;
  };
  return scratchProject({
    'mlx.yaml': 'engine: host\nmlflow: { enabled: false }\n',
    'recipes/tickets.yaml': recipe,
    'data/tickets.jsonl': data('tickets.jsonl', 64),
    'data/tickets-held-out.jsonl': data('tickets-held-out.jsonl', 8),
  });
}

/** Into `folder`, with the Python of the trainer. */
export async function makeTinyModel(environment: NodeJS.ProcessEnv, folder: string): Promise<void> {
  const venv = await ensureVenv(
    'trainer',
    homePaths(environment),
    environment,
    () => undefined,
    new AbortController().signal,
  );
  const script = join(packageRoot(), 'test', 'host', 'tiny_model.py');
  const args = [script, join(packageRoot(), 'recipes', 'trainer'), folder];
  const lines: string[] = [];
  const exit = await runProgram({ file: venv.python, args, environment }, { onStderr: (line) => lines.push(line) });
  if (exit.status !== 0) throw new Error(`no tiny model: ${lines.slice(-5).join('\n')}`);
}
