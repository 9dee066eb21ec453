// A program of its own that runs one host job: bundled and killed by engine.test.ts.
import { projectPaths } from '../../src/config/paths.js';
import { ensureVenv } from '../../src/engine/host/venvs.js';
import { runJob } from '../../src/engine/host/jobs.js';

const [project = '', script = ''] = process.argv.slice(2);
const signal = new AbortController().signal;
const paths = projectPaths(project, process.env);
const venv = await ensureVenv('mlflow', paths, process.env, () => undefined, signal);
const job = {
  id: 'job-1',
  runtime: 'mlflow' as const,
  argv: [script],
  mounts: [],
  environment: {},
  network: 'none' as const,
  gpu: false,
};
const onLine = (line: string) => void process.stdout.write(`${line}\n`);
await runJob(paths, venv, process.env, job, { onStdout: onLine, onStderr: onLine, signal });
