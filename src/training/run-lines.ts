// The log of a run, to its end: `mlx runs logs -f` and `mlx logs RUN -f` stop by themselves when the run does.
import { fileLines, type LineOptions } from '../engine/lines.js';

const lookEveryMs = 500;

export async function* runLines(
  log: string,
  options: LineOptions & { hasEnded: () => boolean },
): AsyncGenerator<string> {
  if (!options.follow) {
    yield* fileLines(log, options);
    return;
  }
  const end = new AbortController();
  let ended = false;
  const timer = setInterval(() => {
    // One more turn after the end: its last lines may still have to be read.
    if (ended) end.abort();
    ended = options.hasEnded();
  }, lookEveryMs);
  try {
    yield* fileLines(log, { ...options, signal: AbortSignal.any([options.signal, end.signal]) });
  } finally {
    clearInterval(timer);
  }
}
