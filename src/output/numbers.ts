// Figures for people: durations, shares, counts, sizes. Pure.

export function formatDuration(durationMs: number): string {
  const seconds = durationMs / 1000;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes} min ${whole % 60} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** `8.4 ms`, `240 ms`, `3.1 s`: latencies. */
export function formatMilliseconds(durationMs: number): string {
  if (durationMs >= 1000) return formatDuration(durationMs);
  return `${durationMs < 10 ? durationMs.toFixed(1) : Math.round(durationMs)} ms`;
}

/** Cents where there are some; small amounts with two digits that say something. */
export function formatUsd(usd: number): string {
  if (usd === 0 || Math.abs(usd) >= 0.1) return `$${usd.toFixed(2)}`;
  return `$${Number(usd.toPrecision(2)).toFixed(Math.min(10, 1 - Math.floor(Math.log10(Math.abs(usd)))))}`;
}

/** How long ago, in the largest unit that says something. */
export function formatAgo(thenMs: number, nowMs: number): string {
  const minutes = Math.floor((nowMs - thenMs) / 60_000);
  if (minutes < 1) return 'just now';
  if (minutes < 60) return `${minutes} min ago`;
  if (minutes < 48 * 60) return `${Math.floor(minutes / 60)} h ago`;
  return `${Math.floor(minutes / 60 / 24)} days ago`;
}

/** How long from now, rounded up to minutes, from two days on down to hours: `24 h`, `1 h 30 min`, `2 days 12 h`. */
export function formatAhead(thenMs: number, nowMs: number): string {
  const minutes = Math.max(0, Math.ceil((thenMs - nowMs) / 60_000));
  if (minutes < 60) return `${minutes} min`;
  const [hours, rest] = [Math.floor(minutes / 60), minutes % 60];
  if (hours >= 48) return withRest(`${Math.floor(hours / 24)} days`, hours % 24, 'h');
  return withRest(`${hours} h`, rest, 'min');
}

function withRest(text: string, rest: number, unit: string): string {
  return rest === 0 ? text : `${text} ${rest} ${unit}`;
}

export function formatShare(share: number): string {
  const percent = share * 100;
  if (percent > 100) return `${Math.round(percent)} %`;
  // Nearly all is not all.
  return `${Number.isInteger(percent) ? percent : Math.min(percent, 99.9).toFixed(1)} %`;
}

/** Four significant digits; exponents only where zeros would hide the figure. Null is what a trainer sends for NaN and infinity. */
export function formatNumber(value: number | null): string {
  if (value === null) return 'not a number';
  if (Number.isInteger(value)) return value.toLocaleString('en-US');
  const size = Math.abs(value);
  if (size < 0.001) return value.toExponential(2);
  return Number(value.toPrecision(4)).toLocaleString('en-US', { maximumFractionDigits: 6 });
}

export function formatCount(count: number): string {
  return Math.round(count).toLocaleString('en-US');
}

export function formatBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  const power = bytes < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(bytes) / 10));
  const size = bytes / 1024 ** power;
  return `${power === 0 || size >= 100 ? size.toFixed(0) : size.toFixed(1)} ${units[power] ?? 'B'}`;
}

/** One character a value, from lowest to highest; the newest `width` values. */
export function sparkline(values: readonly number[], width: number): string {
  const shown = values.slice(-width);
  const low = Math.min(...shown);
  const span = Math.max(...shown) - low;
  const bars = '▁▂▃▄▅▆▇█';
  return shown.map((value) => bars[span === 0 ? 0 : Math.round(((value - low) / span) * 7)] ?? '').join('');
}

/** Averages neighbours so that a long series fits; a short one stays as it is. */
export function resample(values: readonly number[], width: number): number[] {
  if (values.length <= width) return [...values];
  return Array.from({ length: width }, (_, column) => {
    const from = Math.floor((column * values.length) / width);
    const part = values.slice(from, Math.max(from + 1, Math.floor(((column + 1) * values.length) / width)));
    return part.reduce((sum, value) => sum + value, 0) / part.length;
  });
}
