// The official Python clients, unchanged, in front of a gateway whose upstreams speak either dialect, from recorded exchanges.
import { execFile } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { homePaths } from '../../src/config/paths.js';
import { ensureVenv } from '../../src/engine/host/venvs.js';
import { startAnthropicHost, startOpenAiHost, type Host } from '../unit/gateway/fake-hosts.js';
import { startBench, type Bench } from '../unit/gateway/stand-in.js';
import { testEnvironment } from './project.js';

const run = promisify(execFile);
const models = ['by-gpt', 'by-claude'];
const script = join(import.meta.dirname, 'python_clients.py');

let hosts: Host[] = [];
let bench: Bench;
let python = '';

beforeAll(async () => {
  const environment = testEnvironment(tmpdir());
  const signal = new AbortController().signal;
  ({ python } = await ensureVenv('clients', homePaths(environment), environment, () => undefined, signal));
  const [gpt, claude] = [await startOpenAiHost(), await startAnthropicHost()];
  hosts = [gpt, claude];
  const config = `
upstreams:
  gpt: { dialect: openai, url: "${gpt.url}" }
  claude: { dialect: anthropic, url: "${claude.url}" }
routes:
  by-gpt: { primary: gpt/gpt-x }
  by-claude: { primary: claude/claude-x }
`;
  bench = await startBench({ config });
});

afterAll(async () => {
  await bench.close();
  for (const host of hosts) await host.close();
});

const tools = { arguments: { city: 'Paris' }, then: expect.stringContaining('weather done') as string };
const same = {
  text: 'Grüße, 🙂 world',
  streamed: 'Grüße, 🙂 world',
  tools,
  streamed_tools: tools,
  parsed: 'billing',
  models,
};

describe.each(models)('with the model %s', (model) => {
  test("OpenAI's and Anthropic's clients get answers, streams, tools, JSON by a schema, and errors of their own", async () => {
    const keys = { OPENAI_API_KEY: bench.key, ANTHROPIC_API_KEY: bench.key };
    const addresses = { OPENAI_BASE_URL: `${bench.url}/v1`, ANTHROPIC_BASE_URL: bench.url };
    const { stdout } = await run(python, [script, model], {
      env: { PATH: process.env['PATH'], ...keys, ...addresses },
    });
    expect(JSON.parse(stdout)).toEqual({
      openai: {
        ...{ ...same, total_tokens: 38, streamed_tokens: 38 },
        ...{ unknown: 'NotFoundError 404', unknown_model: 'NotFoundError 404', refused: 'BadRequestError 400' },
      },
      anthropic: {
        ...{ ...same, input_tokens: 20, output_tokens: 8, stop_reason: 'end_turn' },
        ...{ unknown: 'NotFoundError 404', refused: 'BadRequestError 400' },
      },
    });
  });
});
