// Numbered migrations of the traffic log. A migration, once released, never changes; a new one is added at the end.

/** Of step 3. */
const labels =
  'operation, dialect, stream, route, upstream, model, version, digest, key_id, tenant, feature, estimated, price_id, ' +
  'status, end, error_class, finish_reason, prompt';
const sameLabels = labels
  .split(', ')
  .map((column) => `request_labels.${column} IS whole_requests.${column}`)
  .join(' AND ');

export const trafficSteps: readonly string[] = [
  /* 1: requests, the prices they were charged by, and what was spent by day, which outlives the requests */ `
  CREATE TABLE prices (
    id INTEGER PRIMARY KEY,
    price TEXT NOT NULL UNIQUE
  ) STRICT;

  CREATE TABLE requests (
    id INTEGER PRIMARY KEY,
    request_id TEXT NOT NULL,
    started_at_ms INTEGER NOT NULL,
    operation TEXT NOT NULL,
    dialect TEXT NOT NULL,
    stream INTEGER NOT NULL,
    route TEXT,
    upstream TEXT,
    model TEXT,
    version TEXT,
    digest TEXT,
    key_id TEXT,
    tenant TEXT,
    feature TEXT,
    input_tokens INTEGER,
    output_tokens INTEGER,
    cached_input_tokens INTEGER,
    cache_write_tokens INTEGER,
    reasoning_tokens INTEGER,
    estimated INTEGER NOT NULL,
    cost_usd REAL,
    price_id INTEGER REFERENCES prices (id),
    first_token_ms REAL,
    duration_ms REAL NOT NULL,
    status INTEGER NOT NULL,
    end TEXT NOT NULL CHECK (end IN ('complete', 'gone', 'broken')),
    error_class TEXT,
    finish_reason TEXT,
    attempts TEXT NOT NULL,
    prompt TEXT
  ) STRICT;
  CREATE INDEX requests_by_start ON requests (started_at_ms);

  CREATE TABLE spending (
    day TEXT NOT NULL,
    key_id TEXT NOT NULL,
    tenant TEXT NOT NULL,
    feature TEXT NOT NULL,
    requests INTEGER NOT NULL,
    tokens INTEGER NOT NULL,
    cost_usd REAL NOT NULL,
    PRIMARY KEY (day, key_id, tenant, feature)
  ) STRICT, WITHOUT ROWID;
  `,
  /* 2: one answer by the id that it carried (mlx explain) */ `
  CREATE INDEX requests_by_id ON requests (request_id);
  `,
  /* 3: what rows have in common stands once a day; a row keeps what is its own. No index by id: an id begins with its time */ `
  ALTER TABLE requests RENAME TO whole_requests;

  CREATE TABLE request_labels (
    id INTEGER PRIMARY KEY,
    day INTEGER NOT NULL,
    operation TEXT NOT NULL,
    dialect TEXT NOT NULL,
    stream INTEGER NOT NULL,
    route TEXT,
    upstream TEXT,
    model TEXT,
    version TEXT,
    digest TEXT,
    key_id TEXT,
    tenant TEXT,
    feature TEXT,
    estimated INTEGER NOT NULL,
    price_id INTEGER REFERENCES prices (id),
    status INTEGER NOT NULL,
    end TEXT NOT NULL CHECK (end IN ('complete', 'gone', 'broken')),
    error_class TEXT,
    finish_reason TEXT,
    prompt TEXT
  ) STRICT;
  INSERT INTO request_labels (day, ${labels}) SELECT DISTINCT started_at_ms / 86400000, ${labels} FROM whole_requests;
  CREATE INDEX request_labels_by_all ON request_labels (day, ${labels});

  CREATE TABLE request_rows (
    id INTEGER PRIMARY KEY,
    request_id TEXT NOT NULL,
    started_at_ms INTEGER NOT NULL,
    labels_id INTEGER NOT NULL,
    input_tokens INTEGER,
    output_tokens INTEGER,
    cached_input_tokens INTEGER,
    cache_write_tokens INTEGER,
    reasoning_tokens INTEGER,
    cost_usd REAL,
    first_token_ms REAL,
    duration_ms REAL NOT NULL,
    attempts TEXT NOT NULL
  ) STRICT;
  INSERT INTO request_rows
    SELECT whole_requests.id, request_id, started_at_ms, request_labels.id, input_tokens, output_tokens, cached_input_tokens,
      cache_write_tokens, reasoning_tokens, cost_usd, first_token_ms, duration_ms, attempts
    FROM whole_requests CROSS JOIN request_labels ON day = started_at_ms / 86400000 AND ${sameLabels}
    ORDER BY whole_requests.id;
  DROP INDEX request_labels_by_all;
  DROP TABLE whole_requests;
  CREATE INDEX request_rows_by_start ON request_rows (started_at_ms);

  -- CROSS: always from the rows to their labels, which are few.
  CREATE VIEW requests AS
    SELECT request_rows.id AS id, request_id, started_at_ms, operation, dialect, stream, route, upstream, model, version, digest,
      key_id, tenant, feature, input_tokens, output_tokens, cached_input_tokens, cache_write_tokens, reasoning_tokens, estimated,
      cost_usd, price_id, first_token_ms, duration_ms, status, end, error_class, finish_reason, attempts, prompt
    FROM request_rows CROSS JOIN request_labels ON request_labels.id = labels_id;
  `,
];
