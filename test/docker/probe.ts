// Small jobs for the tests: Python text in, lines and the end out.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import type { Job, JobExit } from '../../src/engine/engine.js';
import type { DockerProject } from './project.js';

export const never = new AbortController().signal;
export const quiet = () => undefined;

/** A job that runs `text` as Python, with a folder `out` that it may write. */
export function probe(project: DockerProject, id: string, text: string, more: Partial<Job> = {}): Job {
  const script = join(project.folder, `${id}.py`);
  const out = join(project.folder, `${id}-out`);
  writeFileSync(script, text);
  mkdirSync(out, { recursive: true });
  const mounts = [
    { name: 'probe', source: script, writable: false },
    { name: 'out', source: out, writable: true },
  ];
  return { id, runtime: 'trainer', argv: ['{probe}'], mounts, environment: {}, network: 'none', gpu: false, ...more };
}

export type Ended = { exit: JobExit; stdout: string[]; stderr: string[] };

export async function run(
  project: DockerProject,
  job: Job,
  onLine: (line: string) => unknown = quiet,
  signal = never,
): Promise<Ended> {
  const stdout: string[] = [];
  const stderr: string[] = [];
  const onStdout = (line: string) => {
    stdout.push(line);
    onLine(line);
  };
  const exit = await project.engine.runJob(job, { onStdout, onStderr: (line) => stderr.push(line), signal });
  return { exit, stdout, stderr };
}
