// What the state of an ended container says about how its program ended. Pure.
import { constants } from 'node:os';

import type { JobExit } from '../engine.js';

export type EndedState = { ExitCode: number; OOMKilled: boolean };

/** 130 is an exit status of the trainer's own (stopped, checkpoint saved); other statuses of 128 + n name a signal. */
const stoppedStatus = 130;

export function containerExit(state: EndedState, sealed: boolean): JobExit {
  const signal = state.ExitCode === stoppedStatus ? undefined : signalName(state.ExitCode - 128);
  return {
    status: signal === undefined ? state.ExitCode : null,
    signal: signal ?? null,
    outOfMemory: state.OOMKilled,
    seal: sealed ? 'container' : 'none',
  };
}

function signalName(number: number): string | undefined {
  if (number <= 0) return undefined;
  return Object.entries(constants.signals).find(([, value]) => value === number)?.[0];
}
