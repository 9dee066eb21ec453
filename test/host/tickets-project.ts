// A project with files of its own in the shared home of project.ts: the demo's tickets and a recipe that is quick.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';

import { packageRoot } from '../../src/config/paths.js';
import { hostProject, type TestProject } from './project.js';

export async function ticketsProject(recipe: string): Promise<TestProject & { folder: string }> {
  const project = await hostProject();
  const folder = project.paths.project;
  const data = join(packageRoot(), 'templates', 'demo', 'data');
  const write = (path: string, text: string): void => {
    mkdirSync(join(folder, path, '..'), { recursive: true });
    writeFileSync(join(folder, path), text);
  };
  write('mlx.yaml', 'engine: host\nmlflow: { enabled: false }\n');
  write('recipes/tickets.yaml', recipe);
  for (const name of ['tickets.jsonl', 'tickets-held-out.jsonl']) {
    write(`data/${name}`, readFileSync(join(data, name), 'utf8'));
  }
  return { ...project, folder };
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}
