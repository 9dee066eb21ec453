import { describe, expect, it } from 'vitest';

import { buildProgress, dockerfileStep } from '../../../../src/engine/docker/build-progress.js';

function read(lines: string[]): { shown: [string, number | undefined][]; last: string[] } {
  const shown: [string, number | undefined][] = [];
  const progress = buildProgress('image trainer', (line, fraction) => shown.push([line, fraction]));
  lines.forEach(progress.read);
  return { shown, last: progress.lastLines() };
}

const started = { started: '2026-11-21T02:11:42Z' };
const step = { digest: 'sha256:1', name: '[2/4] RUN --mount=type=cache,target=/c   /install python x.txt', ...started };

describe('the progress of an image build', () => {
  it('shows each step of the Dockerfile once, as it starts', () => {
    const report = JSON.stringify({ vertexes: [{ name: '[internal] load metadata', ...started }, step] });
    expect(read([report, report]).shown).toEqual([['image trainer 2/4: /install python x.txt', 0.25]]);
  });

  it('reads reports that are spread over many lines, as older Buildx writes them', () => {
    const report = JSON.stringify({ vertexes: [step] }, undefined, 2);
    expect(read(report.split('\n')).shown).toHaveLength(1);
  });

  it('shows nothing for steps that come from the cache', () => {
    expect(read([JSON.stringify({ vertexes: [{ ...step, cached: true }] })]).shown).toEqual([]);
  });

  it('keeps the last lines of the build and of Buildx itself for the error', () => {
    const log = { vertexes: [], logs: [{ data: Buffer.from('resolving\nno such host\n').toString('base64') }] };
    expect(read([JSON.stringify(log), 'ERROR: failed to solve']).last).toEqual([
      'resolving',
      'no such host',
      'ERROR: failed to solve',
    ]);
  });

  it('keeps twenty lines', () => {
    const lines = Array.from({ length: 50 }, (_, index) => `line ${index}`);
    expect(read(lines).last).toEqual(lines.slice(30));
  });

  it('reads a step of a named stage', () => {
    expect(dockerfileStep('[stage-0 1/3] FROM docker.io/library/python:3.11')).toEqual({
      number: 1,
      count: 3,
      command: 'FROM docker.io/library/python:3.11',
    });
  });
});
