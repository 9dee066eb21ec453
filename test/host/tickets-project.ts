// The demo's tickets with a recipe that is quick, in a project of its own.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { packageRoot } from '../../src/config/paths.js';
import { scratchProject, type Project } from './project.js';

export function ticketsProject(recipe: string, settings = 'engine: host\nmlflow: { enabled: false }\n'): Project {
  const data = (name: string): string => readFileSync(join(packageRoot(), 'templates', 'demo', 'data', name), 'utf8');
  return scratchProject({
    'mlx.yaml': settings,
    'recipes/tickets.yaml': recipe,
    'data/tickets.jsonl': data('tickets.jsonl'),
    'data/tickets-held-out.jsonl': data('tickets-held-out.jsonl'),
  });
}
