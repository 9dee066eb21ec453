// Spans of time as people write them on the command line: 30m, 24h, 7d, or a day. Pure.
import { MlxError } from '../errors.js';

const unitMs: Record<string, number> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 };

/** In milliseconds. @throws MlxError USAGE */
export function readSpan(text: string, flag: string): number {
  const [, count, unit = 's'] = /^(\d{1,6})([smhdw])?$/.exec(text) ?? [];
  if (count !== undefined && (unit !== 's' || text.endsWith('s') || count === '0'))
    return Number(count) * (unitMs[unit] ?? NaN);
  throw new MlxError('USAGE', `${flag} takes a time such as 30m, 24h or 7d, not '${text}'.`);
}

/** A span back from now, or the beginning of a day in UTC. @throws MlxError USAGE */
export function readSince(text: string, flag: string, now: Date): number {
  if (!/^\d{4}-\d\d-\d\d$/.test(text)) return now.getTime() - readSpan(text, flag);
  const ms = Date.parse(`${text}T00:00:00Z`);
  if (!Number.isNaN(ms)) return ms;
  throw new MlxError('USAGE', `${flag}: there is no day ${text}.`);
}
