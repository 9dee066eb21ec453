// The story from `init` to `rollback` in containers: MLflow, a trainer without network, vLLM, and what is left afterwards.
import { mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import Docker from 'dockerode';
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { projectPaths } from '../../src/config/paths.js';
import type { DemoReport } from '../../src/demo/demo.js';
import { freePort } from '../../src/engine/port.js';
import { mlx, mlxJson } from '../command/mlx.js';
import { testEnvironment } from '../host/project.js';
import { removeProject } from './project.js';

const docker = new Docker();
const answers = await docker.ping().then(
  () => true,
  () => false,
);
const folder = realpathSync(mkdtempSync(join(tmpdir(), 'mlx-docker-')));
const [gatewayPort, mlflowPort] = [await freePort(), await freePort()];
const settings = {
  folder,
  environment: {
    ...testEnvironment(folder),
    MLX_HOME: join(folder, 'home'),
    MLX_GATEWAY_PORT: String(gatewayPort),
    MLX_MLFLOW_PORT: String(mlflowPort),
  },
};
type Printed = Pick<DemoReport, 'project' | 'model' | 'steps'> & {
  versions: { run_id: string; digest: string; metrics: Record<string, number> }[];
};
let report: Printed;

describe.skipIf(!answers)(`the demo in containers${answers ? '' : ' (skipped: no Docker Engine answers)'}`, () => {
  beforeAll(async () => {
    const demo = await mlxJson(['demo', '--engine', 'docker', '--keep'], settings);
    expect(demo.status, demo.stderr + demo.stdout.slice(-2000)).toBe(0);
    report = demo.value as Printed;
  });

  afterAll(async () => {
    await mlx(['down', '--yes', '--delete-data', '--project', report.project], settings);
    await removeProject(projectPaths(report.project, settings.environment));
  });

  test('each version beats what came before it, and no request is lost in a switch', () => {
    const match = (version: number, scored: string) =>
      report.versions[version]?.metrics[`held_out/${scored}/exact_match`] ?? NaN;
    expect(match(0, 'base')).toBeLessThan(0.05);
    expect(match(0, 'tuned')).toBeGreaterThan(0.1);
    expect(match(1, 'tuned')).toBeGreaterThan(0.8);
    expect(report.steps.flatMap(({ traffic }) => traffic ?? []).map(({ failed }) => failed)).toEqual([0, 0]);
  });

  test('the tags name the versions by digest: v1 and v2, production taken back to v1, and no previous below it', async () => {
    const digest = async (tag: string) => (await docker.getImage(`mlx/${report.model}:${tag}`).inspect()).Id;
    const [first, second] = report.versions.map((version) => version.digest);
    expect(await digest('v1')).toBe(first);
    expect(await digest('v2')).toBe(second);
    expect(await digest('production')).toBe(first);
    await expect(digest('previous')).rejects.toMatchObject({ statusCode: 404 });
  });

  test('MLflow shows both runs as finished', async () => {
    const found = await fetch(`http://127.0.0.1:${mlflowPort}/api/2.0/mlflow/runs/search`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ experiment_ids: ['1'] }),
    });
    const { runs } = (await found.json()) as { runs: { info: { run_name: string; status: string } }[] };
    const shown = runs.map(({ info }) => `${info.run_name} ${info.status}`).sort();
    expect(shown).toEqual(report.versions.map(({ run_id }) => `${run_id} FINISHED`).sort());
  });

  test('an OpenAI client gets the answer of vLLM through the gateway, whole and streamed', async () => {
    const paths = projectPaths(report.project, settings.environment);
    const apiKey = (await readFile(join(paths.secrets, 'gateway-key'), 'utf8')).trim();
    const client = new OpenAI({ apiKey, baseURL: `http://127.0.0.1:${gatewayPort}/v1` });
    const question = {
      model: report.model,
      messages: [{ role: 'user' as const, content: 'My Pico Camera gets very hot and smells of plastic.' }],
      temperature: 0,
      max_tokens: 48,
    };
    const whole = await client.chat.completions.create(question);
    const parts: string[] = [];
    for await (const chunk of await client.chat.completions.create({ ...question, stream: true })) {
      parts.push(chunk.choices[0]?.delta.content ?? '');
    }
    expect(JSON.parse(whole.choices[0]?.message.content ?? '')).toMatchObject({ product: 'Pico Camera' });
    expect(parts.join('')).toBe(whole.choices[0]?.message.content);
    expect(parts.length).toBeGreaterThan(2);
  });

  test('down leaves no container, no network and no process behind', async () => {
    const down = await mlx(['down', '--project', report.project], settings);
    expect(down.status, down.stderr).toBe(0);
    const { projectId } = projectPaths(report.project, settings.environment);
    const filters = { label: [`mlx.project=${projectId}`] };
    expect(await docker.listContainers({ all: true, filters })).toEqual([]);
    const networks = await docker.listNetworks();
    expect(networks.filter(({ Name }) => Name.includes(projectId))).toEqual([]);
    await expect(fetch(`http://127.0.0.1:${gatewayPort}/health`)).rejects.toThrow();
  });
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));
