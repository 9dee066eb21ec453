import { PassThrough } from 'node:stream';

import { expect, test } from 'vitest';

import { MlxError } from '../../../src/errors.js';
import { toSnakeCase } from '../../../src/output/json.js';
import { columnsOf, terminalOutput } from '../../../src/output/terminal.js';

function capture(flags: { json: boolean; yes: boolean }) {
  const streams = { stdin: new PassThrough(), stdout: new PassThrough(), stderr: new PassThrough() };
  const read = (stream: PassThrough): string => String(stream.read() ?? '');
  return {
    output: terminalOutput(streams, flags, {}),
    stdout: () => read(streams.stdout),
    stderr: () => read(streams.stderr),
  };
}

test('with --json stdout is one document and stderr is silent', () => {
  const { output, stdout, stderr } = capture({ json: true, yes: false });
  output.note('for people');
  output.result({ runId: 'a-1', trainLoss: 0.5 }, () => 'text');
  expect(stdout()).toBe('{"run_id":"a-1","train_loss":0.5}\n');
  expect(stderr()).toBe('');
});

test('people get the text on stdout and notes on stderr', () => {
  const { output, stdout, stderr } = capture({ json: false, yes: false });
  output.progress({ event: 'step', step: 1 }, 'step 1');
  output.result(1, () => 'done');
  expect(stdout()).toBe('done\n');
  expect(stderr()).toBe('step 1\n');
});

test('an error shows every problem with its place, and the next command', () => {
  const { output, stderr } = capture({ json: false, yes: false });
  const problems = [{ file: 'mlx.yaml', line: 3, path: 'gateway.port', message: 'expected a number' }];
  output.error(new MlxError('CONFIG_INVALID', 'mlx.yaml has 1 problem.', { hint: 'Mend it', problems }));
  const text = stderr();
  expect(text).toContain('CONFIG_INVALID');
  expect(text).toContain('mlx.yaml:3');
  expect(text).toContain('gateway.port: expected a number');
  expect(text).toContain('Mend it');
});

test('on a terminal text is broken at words, except what is not ours; in a pipe nothing is', () => {
  const text = 'Where nothing better is known, nothing is done.';
  for (const [isTTY, broken] of [
    [true, 'Where nothing better is known, nothing\nis done.\n'],
    [false, `${text}\n`],
  ] as const) {
    const stream = () => Object.assign(new PassThrough(), { isTTY, columns: 40 });
    const streams = { stdin: new PassThrough(), stdout: stream(), stderr: stream() };
    const output = terminalOutput(streams, { json: false, yes: false }, {});
    output.note(text);
    output.error(new MlxError('USAGE', text));
    expect(String(streams.stderr.read())).toContain(broken);
    output.result(1, () => text);
    output.result(1, () => text, true);
    expect(String(streams.stdout.read())).toBe(`${broken}${text}\n`);
  }
});

test.each([
  [true, 40, 40],
  [true, 0, 80],
  [true, undefined, 80],
  [false, undefined, Infinity],
])('on a terminal (%s) that says %s columns a line has %s', (isTTY, said, columns) => {
  const stream = Object.assign(new PassThrough(), { isTTY, ...(said === undefined ? {} : { columns: said }) });
  expect(columnsOf(stream)).toBe(columns);
});

test('a question that nobody can answer is an error that names the flag', async () => {
  const { output } = capture({ json: false, yes: false });
  await expect(output.confirm('Delete?')).rejects.toMatchObject({
    code: 'PROMPT_NEEDS_TERMINAL',
    hint: expect.stringContaining('--yes'),
  });
  await expect(capture({ json: false, yes: true }).output.confirm('Delete?')).resolves.toBe(true);
});

test('metric keys and other data are not renamed, field names are', () => {
  expect(toSnakeCase({ latestMetrics: { 'held_out/tuned/loss': 1 }, LoRA: 1, sha256: 'x' })).toEqual({
    latest_metrics: { 'held_out/tuned/loss': 1 },
    LoRA: 1,
    sha256: 'x',
  });
});
