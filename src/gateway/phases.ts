// One timer for the phases of a call: connecting, waiting for the first byte, silence within the answer, and all of it.
import type { PhaseTimeouts } from '../config/route-schema.js';
import type { Clock } from './clock.js';

export type Phase = 'connect' | 'first_byte' | 'idle' | 'total';

export type PhaseWatch = {
  /** Begins the phase anew: each chunk of a stream begins `idle` again. */
  enter: (phase: 'first_byte' | 'idle') => void;
  /** The client is slow, not the upstream: only the total counts until the next `enter`. */
  pause: () => void;
  /** Calls back whenever nothing was entered for so long. */
  onSilence: (everyMs: number, run: () => void) => void;
  stop: () => void;
};

type Silence = { everyMs: number; run: () => void; atMs: number };

/** Starts in `connect`. `onTimeout` is called once. */
export function watchPhases(clock: Clock, timeouts: PhaseTimeouts, onTimeout: (phase: Phase) => void): PhaseWatch {
  const durationsMs = { connect: timeouts.connectMs, first_byte: timeouts.firstByteMs, idle: timeouts.idleMs };
  const endMs = clock.nowMs() + timeouts.totalMs;
  let phase: keyof typeof durationsMs = 'connect';
  let enteredMs = clock.nowMs();
  let paused = false;
  let silence: Silence | undefined;
  const deadlineMs = (): number => (paused ? endMs : Math.min(endMs, enteredMs + durationsMs[phase]));
  const alarm = openAlarm(clock, () => Math.min(deadlineMs(), silence?.atMs ?? Infinity), ring);
  function ring(): void {
    const nowMs = clock.nowMs();
    if (nowMs >= deadlineMs()) return onTimeout(nowMs >= endMs ? 'total' : phase);
    if (silence && nowMs >= silence.atMs) {
      silence.atMs = nowMs + silence.everyMs;
      silence.run();
    }
    alarm.arm();
  }
  alarm.arm();
  return {
    enter: (next) => {
      phase = next;
      paused = false;
      enteredMs = clock.nowMs();
      if (silence) silence.atMs = enteredMs + silence.everyMs;
      alarm.arm();
    },
    pause: () => void (paused = true),
    onSilence: (everyMs, run) => {
      silence = { everyMs, run, atMs: clock.nowMs() + everyMs };
      alarm.arm();
    },
    stop: alarm.stop,
  };
}

/** One that rings too early is set anew when it rings: a chunk of a stream costs no timer. */
function openAlarm(clock: Clock, wakeAtMs: () => number, ring: () => void): { arm: () => void; stop: () => void } {
  let armedMs = Infinity;
  let cancel = (): void => undefined;
  return {
    arm: () => {
      const wakeMs = wakeAtMs();
      if (wakeMs >= armedMs) return;
      cancel();
      armedMs = wakeMs;
      cancel = clock.after(Math.max(0, wakeMs - clock.nowMs()), () => {
        armedMs = Infinity;
        ring();
      });
    },
    stop: () => cancel(),
  };
}
