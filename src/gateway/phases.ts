// One timer for the phases of a call: connecting, waiting for the first byte, silence within the answer, and all of it.
import type { PhaseTimeouts } from '../config/route-schema.js';
import type { Clock } from './clock.js';

export type Phase = 'connect' | 'first_byte' | 'idle' | 'total';

type Silence = { everyMs: number; run: () => void; atMs: number };

/** Starts in `connect`. */
export class PhaseWatch {
  readonly #clock: Clock;
  readonly #timeouts: PhaseTimeouts;
  readonly #onTimeout: (phase: Phase) => void;
  readonly #endMs: number;
  #phase: Exclude<Phase, 'total'> = 'connect';
  #enteredMs: number;
  #paused = false;
  #silence: Silence | undefined;
  #armedMs = Infinity;
  #cancel: (() => void) | undefined;

  /** @param onTimeout called once */
  constructor(clock: Clock, timeouts: PhaseTimeouts, onTimeout: (phase: Phase) => void) {
    this.#clock = clock;
    this.#timeouts = timeouts;
    this.#onTimeout = onTimeout;
    this.#enteredMs = clock.nowMs();
    this.#endMs = this.#enteredMs + timeouts.totalMs;
    this.#arm();
  }

  /** Begins the phase anew: each chunk of a stream begins `idle` again. */
  enter(phase: 'first_byte' | 'idle'): void {
    this.#phase = phase;
    this.#paused = false;
    this.#enteredMs = this.#clock.nowMs();
    if (this.#silence) this.#silence.atMs = this.#enteredMs + this.#silence.everyMs;
    this.#arm();
  }

  /** The client is slow, not the upstream: only the total counts until the next `enter`. */
  pause(): void {
    this.#paused = true;
  }

  /** Calls back whenever nothing was entered for so long. */
  onSilence(everyMs: number, run: () => void): void {
    this.#silence = { everyMs, run, atMs: this.#clock.nowMs() + everyMs };
    this.#arm();
  }

  stop(): void {
    this.#cancel?.();
  }

  #deadlineMs(): number {
    if (this.#paused) return this.#endMs;
    return Math.min(this.#endMs, this.#enteredMs + this.#durationMs());
  }

  #durationMs(): number {
    const { connectMs, firstByteMs, idleMs } = this.#timeouts;
    if (this.#phase === 'connect') return connectMs;
    return this.#phase === 'first_byte' ? firstByteMs : idleMs;
  }

  /** One that rings too early is set anew when it rings: a chunk of a stream costs no timer. */
  #arm(): void {
    const wakeMs = Math.min(this.#deadlineMs(), this.#silence?.atMs ?? Infinity);
    if (wakeMs >= this.#armedMs) return;
    this.#cancel?.();
    this.#armedMs = wakeMs;
    this.#cancel = this.#clock.after(Math.max(0, wakeMs - this.#clock.nowMs()), () => {
      this.#armedMs = Infinity;
      this.#ring();
    });
  }

  #ring(): void {
    const nowMs = this.#clock.nowMs();
    if (nowMs >= this.#deadlineMs()) return this.#onTimeout(nowMs >= this.#endMs ? 'total' : this.#phase);
    if (this.#silence && nowMs >= this.#silence.atMs) {
      this.#silence.atMs = nowMs + this.#silence.everyMs;
      this.#silence.run();
    }
    this.#arm();
  }
}
