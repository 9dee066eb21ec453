// Lines on a terminal of 80 columns: broken between words, never inside of a command.
import { stripVTControlCharacters } from 'node:util';

import pc from 'picocolors';
import { expect, test } from 'vitest';

import { wrapHelp, wrapText } from '../../../src/output/wrap.js';

const width = 60;
const paragraph = 'Clients are divided by their key, and there are 2: a share may be nothing or everything. ';

test('breaks between words, and nothing that fits or goes to a pipe', () => {
  expect(wrapText('fits\n  as it  is', width)).toBe('fits\n  as it  is');
  expect(wrapText(paragraph.trim(), width).split('\n')).toEqual([
    'Clients are divided by their key, and there are 2: a share',
    'may be nothing or everything.',
  ]);
  expect(wrapText(paragraph, Infinity)).toBe(paragraph);
});

test('goes on below the text behind a label or a number, and counts no colours', () => {
  const error = `${pc.createColors(true).red('error')}  ${paragraph.trim()}`;
  expect(stripVTControlCharacters(wrapText(error, width)).split('\n')).toEqual([
    'error  Clients are divided by their key, and there are 2: a',
    '       share may be nothing or everything.',
  ]);
  const check = '✓ docker engine     Docker Engine 26.1.5+dfsg1 answers at /var/run/docker.sock';
  expect(wrapText(check, width).split('\n')[1]).toBe(`${' '.repeat(20)}/var/run/docker.sock`);
  expect(wrapText(`  2. ${paragraph.trim()}`, width).split('\n')[1]).toBe('     share may be nothing or everything.');
});

test.each([
  'Give it all requests: mlx promote tickets:2, or take it back: mlx rollback tickets. It stays.',
  'Name the one you mean, as it is there: mlx rollback tickets --to 2 (mlx releases tickets shows what was live)',
  'A share may be nothing or everything, with few keys, and by request it is not: --sticky request',
  'next   Delete it to have a new one made: rm /srv/project/.mlx/secrets/gateway.key && mlx gateway key',
  'Take the written one back, or else the other (git checkout -- recipes/tickets.lock.yaml), or write it anew: mlx train',
  'Where another home is meant, and only then: MLX_HOME=/data/mlx mlx pull Qwen/Qwen3-0.6B --json',
])('keeps its commands whole: %s', (line) => {
  const commands = [
    ...['mlx promote tickets:2', 'mlx rollback tickets.', 'mlx rollback tickets --to 2', 'mlx releases tickets'],
    ...['--sticky request', 'rm /srv/project/.mlx/secrets/gateway.key && mlx gateway key', 'mlx train'],
    ...['git checkout -- recipes/tickets.lock.yaml', 'MLX_HOME=/data/mlx mlx pull Qwen/Qwen3-0.6B --json'],
  ].filter((command) => line.includes(command));
  for (let narrow = 40; narrow <= 100; narrow += 1) {
    const wrapped = wrapText(line, narrow);
    for (const command of commands) expect(wrapped).toContain(command);
    expect(wrapped.replaceAll(/\s+/g, ' ')).toBe(line.replaceAll(/\s+/g, ' '));
  }
});

test.each(['', ',', '.', '?', ')'])('a command in backticks ends at its backtick%s', (mark) => {
  const command = '`mlx promote NAME:N --watch 10m`';
  const line = `Of one version, ${command}${mark} holds the new version's requests against those of the live one.`;
  const lines = wrapText(line, width).split('\n');
  expect(lines.every((each) => each.length <= width)).toBe(true);
  expect(lines.join('\n')).toContain(command);
});

test('a row of a table stays a row', () => {
  const row = `serving.ready_timeout_s  300  ${'a long value '.repeat(3)}  default`;
  expect(wrapText(row, width)).toBe(row);
});

test('what explains a command goes on right of it', () => {
  expect(wrapText('  mlx replay tickets-3fa91c     that run again, whatever its recipe says today', width)).toBe(
    '  mlx replay tickets-3fa91c     that run again, whatever its\n      recipe says today',
  );
});

test('what is longer than the terminal stands alone: the terminal copies it back in one piece', () => {
  const command = `mlx data capture --route tickets --out ${'data/'.repeat(12)}week.jsonl`;
  expect(wrapText(`Write them to a file: ${command}`, width)).toBe(`Write them to a file:\n${command}`);
});

test('paragraphs of help are joined before they are broken; lists and examples stay', () => {
  const help = [
    'The new version comes up beside the old one, must answer real prompts (and those of evals/golden.jsonl right), leave memory, and not',
    'take longer.',
    '',
    '  sleep         no room for two on the GPU: requests wait in the gateway, the weights move to the memory of the machine, the',
    '                new one is started',
    '  hold          no room for two',
    '',
    '  mlx promote tickets:2 -m "better"',
  ].join('\n');
  expect(wrapHelp(help, 80).split('\n')).toEqual([
    'The new version comes up beside the old one, must answer real prompts (and those',
    'of evals/golden.jsonl right), leave memory, and not take longer.',
    '',
    '  sleep         no room for two on the GPU: requests wait in the gateway, the',
    '                weights move to the memory of the machine, the new one is',
    '                started',
    '  hold          no room for two',
    '',
    '  mlx promote tickets:2 -m "better"',
  ]);
  expect(wrapHelp(help, 140)).toBe(help);
});
