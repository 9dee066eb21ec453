// What a person sees of something that is looked at once a second.
import { PassThrough } from 'node:stream';

import { expect, test } from 'vitest';

import { terminalOutput } from '../../../src/output/terminal.js';

function watching(terminal: boolean, environment: NodeJS.ProcessEnv = {}, columns = 30) {
  const stderr = Object.assign(new PassThrough(), { isTTY: terminal, columns });
  const streams = { stdin: new PassThrough(), stdout: new PassThrough(), stderr };
  let nowMs = 0;
  const output = terminalOutput(streams, { json: false, yes: false }, environment, () => nowMs);
  const look = (second: number, requests: number): void => {
    nowMs = second * 1_000;
    const said = `${requests} requests`;
    output.tick({ event: 'progress' }, `tickets:2, ${second} s: ${said}`, said);
  };
  const resize = (width: number): void => void (stderr.columns = width);
  return {
    output,
    look,
    resize,
    stderr: () => String(stderr.read() ?? ''),
    stdout: () => String(streams.stdout.read() ?? ''),
  };
}

test('on a terminal one line is rewritten, and gone when something else is said', () => {
  const { output, look, stderr, stdout } = watching(true);
  for (const second of [1, 2, 3]) look(second, 5);
  expect(stderr()).toBe([1, 2, 3].map((second) => `\r\u001b[2Ktickets:2, ${second} s: 5 requests`).join(''));
  output.note('It does worse.');
  expect(stderr()).toBe('\r\u001b[2KIt does worse.\n');
  look(4, 5);
  stderr();
  output.result(1, () => 'done');
  expect([stderr(), stdout()]).toEqual(['\r\u001b[2K', 'done\n']);
});

test('on a terminal the line is cut where it does not fit: one that is wrapped could not be taken away', () => {
  const { look, stderr } = watching(true);
  look(1, 1_000_000_000);
  expect(stderr()).toBe('\r\u001b[2Ktickets:2, 1 s: 1000000000 r…');
});

test('a terminal that was made narrower has broken the line, which is taken away with all that it takes', () => {
  const { output, look, resize, stderr } = watching(true);
  look(1, 5);
  resize(10);
  stderr();
  look(2, 5);
  expect(stderr()).toBe('\r\u001b[2A\u001b[Jtickets:…');
  resize(30);
  output.note('It does worse.');
  expect(stderr()).toBe('\r\u001b[2KIt does worse.\n');
  look(3, 5);
  resize(20);
  stderr();
  output.note('It does worse.');
  expect(stderr()).toBe('\r\u001b[1A\u001b[JIt does worse.\n');
});

test('a terminal that says 0 columns does not know them (script -c without one of its own): 80 are taken', () => {
  const { look, stderr } = watching(true, {}, 0);
  look(1, 5);
  expect(stderr()).toBe('\r\u001b[2Ktickets:2, 1 s: 5 requests');
});

test.each([
  ['in a pipe', false, {}],
  ['in CI', true, { CI: 'true' }],
  ['on a terminal that can take nothing back', true, { TERM: 'dumb' }],
])('%s a line comes at most every 10 s, and only where something has changed', (_name, terminal, environment) => {
  const { look, stderr } = watching(terminal, environment);
  for (let second = 0; second < 60; second += 1) look(second, second < 25 ? second : 25);
  expect(stderr()).toBe(
    ['0 s: 0', '10 s: 10', '20 s: 20', '30 s: 25'].map((seen) => `tickets:2, ${seen} requests\n`).join(''),
  );
});

test('with --json every look is an event', () => {
  const streams = { stdin: new PassThrough(), stdout: new PassThrough(), stderr: new PassThrough() };
  const output = terminalOutput(streams, { json: true, yes: false }, {});
  for (const fraction of [0.5, 1]) output.tick({ event: 'progress', fraction }, 'seen', 'seen');
  expect(String(streams.stdout.read())).toBe(
    '{"event":"progress","fraction":0.5}\n{"event":"progress","fraction":1}\n',
  );
});
