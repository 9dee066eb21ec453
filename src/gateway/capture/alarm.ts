// Says that capturing began to fail, and that it works again; not each time, and never a word of what was asked or answered.
import { errorCode, errorMessage } from '../../errors.js';

export type Alarm = {
  /** Runs it; what it throws costs so many rows, and is told. */
  watch: (step: Step, rows: number, run: () => void | Promise<void>) => Promise<void>;
  /** Rows that are lost without a failure: too large, or nothing that can be redacted. */
  count: (rows: number) => void;
  /** Since the start. */
  lost: () => number;
};

type Step = 'redacted' | 'written' | 'tidied';

export type AlarmEdges = {
  warn: (line: string) => void;
  log: (event: string, fields: Record<string, unknown>) => void;
};

const meanwhile: Record<Step, string> = {
  redacted: 'Requests go on; what cannot be redacted is not captured.',
  written: 'Requests go on, and are not captured.',
  tidied: 'Capturing goes on, and its journal grows.',
};

export function openAlarm({ warn, log }: AlarmEdges): Alarm {
  const failing = new Set<Step>();
  let lost = 0;
  const tell = (step: Step, error: unknown): void => {
    if (failing.has(step)) return;
    failing.add(step);
    // A detector's own words could quote what it was asked.
    const why = step === 'redacted' ? (errorCode(error) ?? 'it failed.') : errorMessage(error);
    warn(`Captured traffic cannot be ${step}: ${why} ${meanwhile[step]}`);
    log('capture_failed', { step, code: errorCode(error) ?? null });
  };
  return {
    lost: () => lost,
    count: (rows) => void (lost += rows),
    watch: async (step, rows, run) => {
      try {
        await run();
        if (!failing.delete(step)) return;
        warn(`Captured traffic can be ${step} again; ${lost} answers were not captured since the start.`);
        log('capture_works', { step, lost });
      } catch (error) {
        lost += rows;
        tell(step, error);
      }
    },
  };
}
