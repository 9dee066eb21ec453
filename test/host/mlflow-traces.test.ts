// The gateway's spans in a real MLflow: taken at /v1/traces, and found by its API as traces.
import { setTimeout as pause } from 'node:timers/promises';

import { expect, it, onTestFinished } from 'vitest';

import { startOpenAiHost } from '../unit/gateway/fake-hosts.js';
import { postTo, startBench } from '../unit/gateway/stand-in.js';
import { runningMlflow } from './mlflow-project.js';

it('requests become traces that MLflow lists, with their tokens and without their words', async () => {
  const { port } = await runningMlflow();
  // The first one loads what MLflow keeps traces with: longer than a span waits.
  expect(await traces(port)).toEqual([]);
  const host = await startOpenAiHost();
  onTestFinished(host.close);
  const warnings: string[] = [];
  const config = `
gateway:
  otlp: { endpoint: "http://127.0.0.1:${port}/v1/traces", headers: { x-mlflow-experiment-id: "0" } }
upstreams: { ours: { dialect: openai, url: "${host.url}", local: true } }
routes: { chat: { primary: ours/x } }
`;
  const bench = await startBench({ config, warn: (line) => warnings.push(line) });
  onTestFinished(bench.close);
  const question = JSON.stringify({ model: 'chat', messages: [{ role: 'user', content: 'a private word' }] });
  const ids: string[] = [];
  for (let asked = 0; asked < 3; asked += 1) {
    const answer = await postTo(bench, '/v1/chat/completions', question);
    ids.push(String(answer.headers['x-request-id']).replaceAll(/req_|-/g, ''));
    await answer.body.dump();
  }
  let found = await traces(port);
  while (found.length < ids.length && warnings.length === 0) {
    await pause(250);
    found = await traces(port);
  }
  expect(warnings).toEqual([]);
  expect(found.map(({ trace_id: id }) => id.replace('tr-', '')).sort()).toEqual(ids.sort());
  const text = JSON.stringify(found);
  expect(text).toContain('"state":"OK"');
  expect(text).not.toContain('private word');
});

type Found = { trace_id: string };

async function traces(port: number): Promise<Found[]> {
  const locations = [{ type: 'MLFLOW_EXPERIMENT', mlflow_experiment: { experiment_id: '0' } }];
  const answer = await fetch(`http://127.0.0.1:${port}/api/3.0/mlflow/traces/search`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', connection: 'close' },
    body: JSON.stringify({ locations, max_results: 10 }),
  });
  const text = await answer.text();
  expect(answer.status, text).toBe(200);
  return (JSON.parse(text) as { traces?: Found[] }).traces ?? [];
}
