// How things stand while somebody looks on: one line that is rewritten on a terminal; in a pipe or a file, where nothing can be taken
// back, a line now and then, and only where something changed.
import type { Streams } from './terminal.js';

export type Ticker = {
  /** @param said what it says without the time, which always changes */
  show: (line: string, said: string) => void;
  /** Takes the line away: something else is printed. */
  clear: () => void;
};

const lineEveryMs = 10_000;
const takeAway = '\r\u001b[2K';

export function openTicker(stderr: Streams['stderr'], rewrites: boolean, clock: () => number): Ticker {
  return rewrites ? rewrittenLine(stderr) : fewLines(stderr, clock);
}

function rewrittenLine(stderr: Streams['stderr']): Ticker {
  let shown = '';
  // 0 columns: the terminal does not know.
  const columns = (): number => stderr.columns || 80;
  return {
    show: (line) => {
      const before = takeAwayOf(shown, columns());
      // A line that is wrapped could not be taken away whole.
      shown = cutTo(line, columns() - 1);
      stderr.write(`${before}${shown}`);
    },
    clear: () => {
      if (shown !== '') stderr.write(takeAwayOf(shown, columns()));
      shown = '';
    },
  };
}

/**
 * A terminal that was made narrower has broken the line into several (tmux 3.3 does), and stands in the last of them. One that cuts lines
 * instead (xterm) does not tell: there up to as many lines above may be taken away with it.
 */
function takeAwayOf(shown: string, columns: number): string {
  const above = Math.ceil(shown.length / columns) - 1;
  return above > 0 ? `\r\u001b[${above}A\u001b[J` : takeAway;
}

function fewLines(stderr: Streams['stderr'], clock: () => number): Ticker {
  let last: { said: string; atMs: number } | undefined;
  return {
    show: (line, said) => {
      const nowMs = clock();
      if (last && (last.said === said || nowMs - last.atMs < lineEveryMs)) return;
      last = { said, atMs: nowMs };
      stderr.write(`${line}\n`);
    },
    clear: () => undefined,
  };
}

function cutTo(line: string, width: number): string {
  return line.length <= width ? line : `${line.slice(0, Math.max(0, width - 1))}…`;
}
