// A machine whose programs answer from a table, with a real project and home in a temporary folder.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { onTestFinished } from 'vitest';

import { toConfig } from '../../../src/config/load.js';
import { homePaths, projectPaths } from '../../../src/config/paths.js';
import { configSchema } from '../../../src/config/schema.js';
import type { Answer, Machine } from '../../../src/doctor/machine.js';

/** Commands by how they begin; the longest beginning answers. `asked` grows with every question. */
export type FakeMachine = Machine & { asked: string[]; answers: Record<string, Answer> };

export function fakeMachine(changes: Partial<Machine> = {}): FakeMachine {
  const folder = mkdtempSync(join(tmpdir(), 'mlx-doctor-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const environment = { MLX_HOME: join(folder, 'home'), PATH: process.env['PATH'] };
  const asked: string[] = [];
  const answers: Record<string, Answer> = {};
  return {
    environment,
    home: homePaths(environment),
    project: projectPaths(folder, environment),
    config: toConfig(configSchema.parse({}), folder),
    configError: undefined,
    engine: { kind: 'docker', why: 'a Docker Engine answers' },
    docker: { reachable: true, version: '26.1.5', rootFolder: undefined, gpu: undefined },
    signal: new AbortController().signal,
    asked,
    answers,
    ask: (...words) => {
      const command = words.join(' ');
      asked.push(command);
      const beginning = Object.keys(answers)
        .filter((candidate) => command.startsWith(candidate))
        .sort((one, other) => other.length - one.length)[0];
      return Promise.resolve(beginning === undefined ? undefined : answers[beginning]);
    },
    ...changes,
  };
}

export const host = { kind: 'host', why: 'no Docker Engine answers' } as const;
