// Runs the program in process, as main.ts does: argv in, stdout, stderr and exit status out.
import { PassThrough, Readable } from 'node:stream';

import { runMlx } from '../../src/main.js';

export type MlxRun = { stdout: string; stderr: string; status: number };

export type MlxSettings = {
  folder: string;
  environment?: NodeJS.ProcessEnv;
  signal?: AbortSignal;
  onStdout?: () => void;
  /** stdout is a terminal of this width; a pipe without. */
  columns?: number;
};

export async function mlx(argv: readonly string[], settings: MlxSettings): Promise<MlxRun> {
  const stdout = collector();
  const stderr = collector();
  if (settings.columns !== undefined) Object.assign(stdout.stream, { isTTY: true, columns: settings.columns });
  if (settings.onStdout) stdout.stream.on('data', settings.onStdout);
  const status = await runMlx(argv, {
    streams: { stdin: Readable.from([]), stdout: stdout.stream, stderr: stderr.stream },
    environment: { HOME: settings.folder, ...settings.environment },
    workingDirectory: settings.folder,
    signal: settings.signal ?? new AbortController().signal,
  });
  return { stdout: stdout.text(), stderr: stderr.text(), status };
}

/** The one document, or the last of several lines, that `--json` leaves on stdout. */
export async function mlxJson(argv: readonly string[], settings: MlxSettings): Promise<MlxRun & { value: unknown }> {
  const run = await mlx([...argv, '--json'], settings);
  return { ...run, value: JSON.parse(run.stdout.trimEnd().split('\n').at(-1) ?? '') as unknown };
}

function collector(): { stream: PassThrough; text: () => string } {
  const stream = new PassThrough();
  const chunks: string[] = [];
  stream.on('data', (chunk: Buffer) => chunks.push(chunk.toString('utf8')));
  return { stream, text: () => chunks.join('') };
}
