// What rows of the traffic log have in common: who asked whom, and how it ended. Most rows repeat those of an earlier one, so each set
// of labels stands once a day, and a row only points to it: half the work and half the bytes of whole rows.
import type Database from 'better-sqlite3';

import type { TrafficRow } from './traffic.js';

export const dayMs = 86_400_000;

/** A client may choose its features: no more sets than these are remembered. */
const rememberedAtMost = 10_000;

export type KnownLabels = {
  idOf: (row: TrafficRow) => number;
  /** After a transaction that was rolled back, and when sets were deleted. */
  forget: () => void;
};

/** The same labels may stand twice, once for each start of a gateway: nobody looks for them by what they say. */
export function openLabels(database: Database.Database): KnownLabels {
  const prices = openPriceIds(database);
  const known = new Map<string, number>();
  const insert =
    database.prepare(`INSERT INTO request_labels (day, operation, dialect, stream, route, upstream, model, version, digest,
    key_id, tenant, feature, estimated, price_id, status, end, error_class, finish_reason, prompt)
    VALUES (${Array.from({ length: 19 }, () => '?').join(', ')})`);
  const add = (name: string, row: TrafficRow, priceId: number | null): number => {
    const id = Number(insert.run(valuesOf(row, priceId)).lastInsertRowid);
    if (known.size >= rememberedAtMost) known.clear();
    known.set(name, id);
    return id;
  };
  return {
    idOf: (row) => {
      const priceId = prices.idOf(row.price);
      const name = nameOf(row, priceId);
      return known.get(name) ?? add(name, row, priceId);
    },
    forget: () => {
      known.clear();
      prices.forget();
    },
  };
}

/** Different for different labels: only the model and the finish reason can be any text, and the model's length stands before it. */
function nameOf(row: TrafficRow, priceId: number | null): string {
  const { route, upstream, version, digest, keyId, tenant, feature, errorClass, prompt, model } = row;
  return (
    `${Math.floor(row.startedAtMs / dayMs)} ${row.operation} ${row.dialect} ${row.stream} ${row.estimated} ${row.status} ${row.end} ${priceId}` +
    `${mark(keyId)}${mark(tenant)}${mark(feature)}${mark(route)}${mark(upstream)}${mark(version)}${mark(digest)}` +
    `${mark(errorClass)}${mark(prompt)}\u0000${model?.length ?? ''}${mark(model)}${mark(row.finishReason)}`
  );
}

/** null and an empty text are two things. */
function mark(text: string | null): string {
  return text === null ? '\u0000' : `\u0001${text}`;
}

function valuesOf(row: TrafficRow, priceId: number | null): unknown[] {
  return [
    Math.floor(row.startedAtMs / dayMs),
    row.operation,
    row.dialect,
    row.stream ? 1 : 0,
    row.route,
    row.upstream,
    row.model,
    row.version,
    row.digest,
    row.keyId,
    row.tenant,
    row.feature,
    row.estimated ? 1 : 0,
    priceId,
    row.status,
    row.end,
    row.errorClass,
    row.finishReason,
    row.prompt,
  ];
}

/** Prices are few and long: each stands once. */
function openPriceIds(database: Database.Database) {
  const known = new Map<string, number>();
  const insert = database.prepare('INSERT INTO prices (price) VALUES (?) ON CONFLICT (price) DO NOTHING');
  const find = database.prepare('SELECT id FROM prices WHERE price = ?').pluck();
  const add = (price: string): number => {
    insert.run(price);
    const id = Number(find.get(price));
    known.set(price, id);
    return id;
  };
  return {
    idOf: (price: string | null): number | null => (price === null ? null : (known.get(price) ?? add(price))),
    forget: () => known.clear(),
  };
}
