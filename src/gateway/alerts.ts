// Budgets that are nearly or wholly used up, told to people: a line on stderr and in gateway.log, and a webhook.
import { Pool } from 'undici';

import { toSnakeCase } from '../output/json.js';
import { isTooLarge, type Alert } from './budget/checks.js';

export type Alerts = {
  tell: (alert: Alert) => void;
  /** Waits for posts under way, for a moment. */
  close: () => Promise<void>;
};

export type AlertEdges = {
  /** Its host was checked against gateway.allowed_hosts when mlx.yaml was read. */
  webhook: () => string | undefined;
  warn: (line: string) => void;
  log: (event: string, fields: Record<string, unknown>) => void;
};

const postTimeoutMs = 5_000;

export function openAlerts({ webhook, warn, log }: AlertEdges): Alerts {
  const posting = new Set<Promise<void>>();
  return {
    tell: (alert) => {
      const facts = alertFacts(alert);
      warn(alertLine(alert));
      log('budget_alert', facts);
      const address = webhook();
      if (address === undefined) return;
      const post = postAlert(address, facts)
        .catch(() => warn(`The webhook for alerts did not take the last one.`))
        .finally(() => posting.delete(post));
      posting.add(post);
    },
    close: async () => void (await Promise.all(posting)),
  };
}

/** Also what `mlx status` shows. */
export function alertLine(alert: Alert): string {
  const { level, account, limit, allowed, taken, needed, resetsAtMs } = alert;
  const amount = (value: number): string => (limit.startsWith('usd') ? `$${(value / 1e9).toFixed(2)}` : String(value));
  if (level === 'hard' && isTooLarge(alert))
    return `Budget of ${account} is less than one request may need: ${amount(needed)} of ${amount(allowed)} (${limit}).`;
  const what = level === 'soft' ? 'has used' : 'is refused: used or promised';
  return `Budget of ${account} ${what} ${amount(taken)} of ${amount(allowed)} (${limit}), until ${new Date(resetsAtMs).toISOString()}.`;
}

/** Amounts in dollars where the limit is one. */
function alertFacts({ level, account, limit, allowed, taken, needed, resetsAtMs }: Alert): Record<string, unknown> {
  const amount = (value: number): number => (limit.startsWith('usd') ? value / 1e9 : value);
  return {
    level,
    account,
    limit,
    allowed: amount(allowed),
    used: amount(taken),
    needed: amount(needed),
    resetsAt: new Date(resetsAtMs).toISOString(),
  };
}

/** No redirect is followed: it could lead to a host that nobody allowed. */
async function postAlert(address: string, facts: Record<string, unknown>): Promise<void> {
  const { origin, pathname, search } = new URL(address);
  const pool = new Pool(origin, { connections: 1, connect: { timeout: postTimeoutMs } });
  try {
    const { statusCode, body } = await pool.request({
      method: 'POST',
      path: pathname + search,
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(toSnakeCase({ event: 'budget_alert', ...facts })),
      headersTimeout: postTimeoutMs,
      bodyTimeout: postTimeoutMs,
    });
    await body.dump();
    if (statusCode >= 300) throw new Error(`status ${statusCode}`);
  } finally {
    await pool.destroy();
  }
}
