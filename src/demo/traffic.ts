// A client that asks one question after another through the gateway, and counts the answers by version.
import { Agent, request } from 'undici';

import { errorMessage } from '../errors.js';
import type { Question } from './story.js';

export type TrafficReport = {
  answered: number;
  failed: number;
  /** First few reasons of failure. */
  failures: string[];
  /** Answers by the version that the gateway named: `{'tickets:1': 12, 'tickets:2': 3}`. */
  byVersion: Record<string, number>;
};

export type Gateway = { baseUrl: string; key: string };

export type Client = { stop: () => Promise<TrafficReport> };

/** Asks without a pause, one request at a time, until `stop`, which waits for the open answer. */
export function startClient(gateway: Gateway, model: string, question: Question): Client {
  const report: TrafficReport = { answered: 0, failed: 0, failures: [], byVersion: {} };
  const agent = new Agent({ keepAliveTimeout: 1_000 });
  let stopping = false;
  const asking = (async () => {
    while (!stopping) await askOnce(gateway, bodyOf(model, question), agent, report);
  })();
  return {
    stop: async () => {
      stopping = true;
      await asking;
      await agent.close();
      return report;
    },
  };
}

function bodyOf(model: string, { system, user }: Question): string {
  const first = system === undefined ? [] : [{ role: 'system', content: system }];
  return JSON.stringify({
    model,
    messages: [...first, { role: 'user', content: user }],
    max_tokens: 64,
    temperature: 0,
  });
}

async function askOnce({ baseUrl, key }: Gateway, body: string, agent: Agent, report: TrafficReport): Promise<void> {
  try {
    const answer = await request(`${baseUrl}/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body,
      dispatcher: agent,
    });
    const text = await answer.body.text();
    if (answer.statusCode !== 200) return failed(report, `${answer.statusCode}: ${text.slice(0, 200)}`);
    const version = String(answer.headers['x-mlx-version'] ?? 'unnamed');
    report.answered += 1;
    report.byVersion[version] = (report.byVersion[version] ?? 0) + 1;
  } catch (error) {
    failed(report, errorMessage(error));
  }
}

function failed(report: TrafficReport, reason: string): void {
  report.failed += 1;
  if (report.failures.length < 3) report.failures.push(reason);
}
