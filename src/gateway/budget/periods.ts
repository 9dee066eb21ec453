// Days and months of a budget, in UTC: one zone for every key, and no day with 23 hours. Pure.

export type Period = 'day' | 'month';

export function periodStart(period: Period, nowMs: number): number {
  const now = new Date(nowMs);
  return Date.UTC(now.getUTCFullYear(), now.getUTCMonth(), period === 'day' ? now.getUTCDate() : 1);
}

/** The first moment of the next one. */
export function periodEnd(period: Period, nowMs: number): number {
  const now = new Date(nowMs);
  return period === 'day'
    ? Date.UTC(now.getUTCFullYear(), now.getUTCMonth(), now.getUTCDate() + 1)
    : Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + 1, 1);
}

/** `2026-11-21` */
export function utcDay(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}
