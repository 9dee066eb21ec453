// Counters and histograms in the text format of Prometheus (https://prometheus.io/docs/instrumenting/exposition_formats/).
// Our own: prom-client hashes the labels of every call, 8 µs for what one request touches. Here a series is found once, and kept by who adds
// to it: a request costs 0.6 µs.

export type Labels = readonly string[];

type Metric = { lines: () => string[] };

/** One combination of labels. */
type Series = (value: number) => void;

type SeriesMetric = Metric & { seriesOf: (labels: Labels) => Series };

type Definition = { name: string; help: string; labels: readonly string[] };

/** So many combinations of labels; what comes beyond them counts under `other`: a client may choose its features. */
const seriesAtMost = 2_000;

export function openCounter(definition: Definition): SeriesMetric {
  const series = openSeries(definition, () => ({ sum: 0 }));
  return {
    seriesOf: (labels) => {
      const one = series.of(labels);
      return (amount) => void (one.sum += amount);
    },
    lines: () => [
      ...head(definition, 'counter'),
      ...series.all().map(([labels, { sum }]) => `${definition.name}${braces(labels)} ${sum}`),
    ],
  };
}

/** @param bounds upper ones, ascending; the last bucket, without any, comes by itself */
export function openHistogram(definition: Definition, bounds: readonly number[]): SeriesMetric {
  const series = openSeries(definition, () => ({
    sum: 0,
    count: 0,
    buckets: new Array<number>(bounds.length).fill(0),
  }));
  const { name } = definition;
  return {
    seriesOf: (labels) => {
      const one = series.of(labels);
      return (value) => {
        one.sum += value;
        one.count += 1;
        const bucket = bounds.findIndex((bound) => value <= bound);
        if (bucket !== -1) one.buckets[bucket] = (one.buckets[bucket] ?? 0) + 1;
      };
    },
    lines: () => [
      ...head(definition, 'histogram'),
      ...series.all().flatMap(([labels, { sum, count, buckets }]) => {
        let below = 0;
        const shown = bounds.map((bound, index) => {
          below += buckets[index] ?? 0;
          return `${name}_bucket${braces([...labels, `le="${bound}"`])} ${below}`;
        });
        const rest = [
          `_bucket${braces([...labels, 'le="+Inf"'])} ${count}`,
          `_sum${braces(labels)} ${sum}`,
          `_count${braces(labels)} ${count}`,
        ];
        return [...shown, ...rest.map((line) => name + line)];
      }),
    ],
  };
}

/** What is known at the moment of asking. */
export function gaugeLines(definition: Definition, values: readonly (readonly [Labels, number])[]): string[] {
  if (values.length === 0) return [];
  return [
    ...head(definition, 'gauge'),
    ...values.map(([labels, value]) => `${definition.name}${braces(named(definition, labels))} ${value}`),
  ];
}

function openSeries<Value>(definition: Definition, create: () => Value) {
  const known = new Map<string, { labels: Labels; value: Value }>();
  const separator = '\u0000';
  const find = (labels: Labels): Value => {
    const key = labels.join(separator);
    const found = known.get(key);
    if (found) return found.value;
    if (known.size >= seriesAtMost && labels.some((label) => label !== 'other')) return find(labels.map(() => 'other'));
    const value = create();
    known.set(key, { labels, value });
    return value;
  };
  return {
    of: find,
    all: (): [string[], Value][] => [...known.values()].map(({ labels, value }) => [named(definition, labels), value]),
  };
}

/** A label without a value is the same as none, and is left out. */
function named({ labels: names }: Definition, values: Labels): string[] {
  return values.flatMap((value, index) => (value === '' ? [] : [`${names[index] ?? ''}="${escaped(value)}"`]));
}

function braces(labels: readonly string[]): string {
  return labels.length === 0 ? '' : `{${labels.join(',')}}`;
}

function escaped(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}

function head({ name, help }: Definition, type: string): string[] {
  return [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`];
}
