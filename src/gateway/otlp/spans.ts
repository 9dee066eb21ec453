// The export of spans as mlx.yaml wants it at the moment: to none, or to one endpoint.
import { isDeepStrictEqual } from 'node:util';

import type { Metering } from '../../config/metering.js';
import type { TrafficRow } from '../../ledger/traffic.js';
import { openSpanExport, type SpanExport } from './export.js';

export type Spans = { add: (row: TrafficRow) => void; reload: () => void; close: () => Promise<void> };

export function openSpans(settings: () => Metering['otlp'], warn: (line: string) => void): Spans {
  const open = (): SpanExport | undefined => {
    const { endpoint } = settings();
    return endpoint === undefined ? undefined : openSpanExport({ settings: { ...settings(), endpoint }, warn });
  };
  let used = settings();
  let current = open();
  let closing = Promise.resolve();
  return {
    add: (row) => current?.add(row),
    reload: () => {
      if (isDeepStrictEqual(used, settings())) return;
      const before = current;
      closing = closing.then(() => before?.close());
      used = settings();
      current = open();
    },
    close: async () => {
      await closing;
      await current?.close();
    },
  };
}
