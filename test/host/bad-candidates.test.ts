// Versions that go wrong in every way that a model server can, each ten times, with clients that keep asking: the old version answers them
// all, the command says what was wrong with the status that is documented, and nothing of the candidate is left.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { openLedger } from '../../src/ledger/open.js';
import { listPromotions, listRoutes } from '../../src/ledger/promotions.js';
import { findVersion, listAliases } from '../../src/ledger/versions.js';
import { mlxJson } from '../command/mlx.js';
import { startLoad, type ClientLoad } from './client-load.js';
import { standInProject, type StandInProject } from './stand-in-project.js';

const behaviours = [
  'good',
  'crashes',
  'never_healthy',
  'dies',
  'slow',
  'wrong_model',
  'errors',
  'out_of_memory',
  'crawls',
  'good',
];
const wrongDigest = behaviours.length;
const rounds = 10;

let project: StandInProject;
let load: ClientLoad;

const json = (...argv: string[]) => mlxJson(argv, { folder: project.folder, environment: project.environment });

beforeAll(async () => {
  project = await standInProject(behaviours, 'serving: { ready_timeout_s: 20, drain_timeout_s: 5 }');
  writeGolden(300);
  changeImage(wrongDigest);
  const served = await json('serve', 'tickets:1');
  expect(served.status, served.stdout + served.stderr).toBe(0);
  load = startLoad(project);
});

afterAll(async () => {
  await json('down');
  project.remove();
});

function writeGolden(maxMs: number): void {
  const row = { messages: [{ role: 'user', content: 'Hi' }], max_ms: maxMs };
  project.write('evals/golden.jsonl', `${JSON.stringify(row)}\n`);
}

/** Its bytes are no longer those that the digest names. */
function changeImage(version: number): void {
  const ledger = openLedger(project.paths.ledgerFile);
  const { digest } = findVersion(ledger, `tickets:${version}`);
  ledger.close();
  const blobs = join(project.paths.images, 'blobs', 'sha256');
  const manifest = JSON.parse(readFileSync(join(blobs, digest.slice('sha256:'.length)), 'utf8')) as {
    layers: { digest: string }[];
  };
  const layer = join(blobs, (manifest.layers.at(-1)?.digest ?? '').slice('sha256:'.length));
  const bytes = readFileSync(layer);
  bytes.write('another', 600);
  writeFileSync(layer, bytes);
}

/** Everything that a candidate could leave. */
async function traces() {
  const ledger = openLedger(project.paths.ledgerFile);
  try {
    return {
      routes: listRoutes(ledger),
      aliases: listAliases(ledger),
      underWay: listPromotions(ledger, { state: 'started', limit: 9 }),
      servers: (await project.engine.listServers()).map(({ id }) => id),
      records: readdirSync(join(project.paths.run, 'servers')).filter((name) => name.endsWith('.json')),
      sockets: readdirSync(project.paths.sockets).sort(),
      tags: (await project.engine.findVersion('tickets', 'production'))?.digest,
      processes: serverProcesses(),
    };
  } finally {
    ledger.close();
  }
}

/** Stand-ins of this project, by the socket in their command line. */
function serverProcesses(): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8');
        return words.includes(project.paths.sockets) && words.includes('model-server.js') ? [pid] : [];
      } catch {
        return [];
      }
    });
}

describe('a version that', () => {
  test.each([
    { what: 'crashes at its start', version: 2, status: 1, code: 'SERVER_NOT_READY', readyS: '20' },
    { what: 'never gets healthy', version: 3, status: 1, code: 'SERVER_NOT_READY', readyS: '1' },
    { what: 'is healthy and dies of its first answer', version: 4, status: 1, code: 'SERVER_NOT_READY', readyS: '20' },
    { what: 'is slower than its golden prompts allow', version: 5, status: 4, code: 'GOLDEN_FAILED', readyS: '20' },
    { what: 'is another model', version: 6, status: 1, code: 'SERVER_NOT_READY', readyS: '1' },
    { what: 'answers with 500', version: 7, status: 1, code: 'SERVER_NOT_READY', readyS: '1' },
    { what: 'runs out of memory', version: 8, status: 1, code: 'SERVER_NOT_READY', readyS: '20' },
    { what: 'is far slower than the live one', version: 9, status: 4, code: 'TOO_SLOW', readyS: '20', goldenMs: 9_000 },
    { what: 'is not what its digest says', version: wrongDigest, status: 1, code: 'IMAGE_CORRUPT', readyS: '20' },
  ])(
    `$what is refused ${rounds} times of ${rounds}, with status $status, and leaves nothing`,
    async ({ version, status, code, readyS, goldenMs = 300 }) => {
      writeGolden(goldenMs);
      project.environment['MLX_SERVING_READY_TIMEOUT_S'] = readyS;
      const before = await traces();
      expect(before.processes).toHaveLength(1);
      for (let round = 0; round < rounds; round += 1) {
        const refused = await json('promote', `tickets:${version}`);
        expect(refused.value).toMatchObject({ outcome: 'failed', error: { code } });
        expect(refused.status).toBe(status);
        expect(await traces()).toEqual(before);
      }
    },
  );

  test('went wrong in any of these ways cost the clients no request and no stream', async () => {
    await load.answered(20);
    const { versions, lost } = await load.stop();
    expect(lost).toEqual([]);
    expect(Object.keys(versions)).toEqual(['tickets:1']);
  });
});
