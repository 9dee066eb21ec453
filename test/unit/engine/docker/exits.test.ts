import { describe, expect, it } from 'vitest';

import { containerExit } from '../../../../src/engine/docker/exits.js';

const exit = (ExitCode: number, OOMKilled = false) => containerExit({ ExitCode, OOMKilled }, true);

describe('the end of a container', () => {
  it('is the exit status of its program', () => {
    expect(exit(0)).toEqual({ status: 0, signal: null, outOfMemory: false, seal: 'container' });
    expect(exit(1)).toEqual({ status: 1, signal: null, outOfMemory: false, seal: 'container' });
  });

  it('keeps 130, by which the trainer says that it stopped and saved', () => {
    expect(exit(130)).toMatchObject({ status: 130, signal: null });
  });

  it('names the signal that ended the program', () => {
    expect(exit(137)).toMatchObject({ status: null, signal: 'SIGKILL' });
    expect(exit(143)).toMatchObject({ status: null, signal: 'SIGTERM' });
    expect(exit(139)).toMatchObject({ status: null, signal: 'SIGSEGV' });
  });

  it('says when the memory limit ended it, and when there was a network', () => {
    expect(exit(137, true)).toMatchObject({ outOfMemory: true });
    expect(containerExit({ ExitCode: 0, OOMKilled: false }, false).seal).toBe('none');
  });
});
