// Numbered migrations of the traffic log. A migration, once released, never changes; a new one is added at the end.

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
];
