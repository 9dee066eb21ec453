// `mlx explain`: where one answer came from, and who is responsible for it. Reads .mlx/traffic.db and the ledger.
import { MlxError } from '../errors.js';
import { keyNames } from '../gateway/keys/describe.js';
import { listKeys } from '../ledger/keys.js';
import type { Ledger } from '../ledger/open.js';
import { openTrafficForReading } from '../ledger/traffic.js';
import { newestTrafficId, trafficAfter } from '../ledger/traffic-lines.js';
import { findRequest, type TrafficRequest } from '../ledger/traffic-request.js';
import { formatMilliseconds } from '../output/numbers.js';
import { outcome } from '../output/output.js';
import type { CommandModule } from '../program.js';
import { explainRequest, type Explanation } from '../registry/explain.js';
import type { Release } from '../registry/release.js';

const shownIds = 3;

export const define: CommandModule['define'] = (command) => {
  command.argument('<response>', 'the x-request-id of an answer, as mlx traffic --follow shows it too');
  command.addHelpText(
    'after',
    `
From the answer to its route, the version and its image, the run that trained it, the rows it learned from, and who put it live when
and why. Nothing of what was asked or answered is kept, so nothing of it is shown.

Examples:
  mlx explain req_019aa7d2-6c5e-7c1b-9a53-6f0c8c0f2f1d
  mlx explain req_019aa7d2-6c5e-7c1b-9a53-6f0c8c0f2f1d --json`,
  );
};

export const run: CommandModule['run'] = async (context, [requestId = '']) => {
  const paths = context.paths();
  const request = readRequest(paths.trafficFile, requestId);
  const ledger = await context.ledger();
  const nameOf = keyNames(listKeys(ledger));
  return outcome(explainRequest(ledger, paths, request), (value) => render(value, nameOf));
};

function readRequest(trafficFile: string, requestId: string): TrafficRequest {
  const traffic = openTrafficForReading(trafficFile);
  try {
    const request = traffic && findRequest(traffic, requestId);
    if (request) return request;
    throw new MlxError('NOT_FOUND', `No answer ${requestId} went through this project's gateway, or it is forgotten.`, {
      hint: `${newestIds(traffic)} Answers carry their id as the header x-request-id; mlx traffic --follow shows it too.`,
    });
  } finally {
    traffic?.close();
  }
}

function newestIds(traffic: Ledger | undefined): string {
  const newest = traffic ? trafficAfter(traffic, newestTrafficId(traffic) - shownIds) : [];
  if (newest.length === 0) return 'No request has come yet.';
  return `The newest: ${newest
    .reverse()
    .map(({ requestId }) => requestId)
    .join(', ')}.`;
}

function render({ request, version, run, release, restart }: Explanation, nameOf: (key: string) => string): string {
  const { keyId, tenant, feature } = request;
  const rows: [string, string][] = [
    ['answer', `${request.requestId}  ${new Date(request.startedAtMs).toISOString()}`],
    ['ended', `status ${request.status}${words(request)} after ${formatMilliseconds(request.durationMs)}`],
    ['asked by', [keyId && nameOf(keyId), tenant, feature].filter(Boolean).join(' / ') || 'the own key'],
    ['route', `${request.route ?? 'none'} -> ${request.upstream ?? 'nobody'}`],
  ];
  if (!version || !run) return lines([...rows, ['model', request.model ?? 'none']]);
  const changed = version.sameDigest ? '' : '  (the answer came from another image of that name)';
  const learned = run.datasets.map(
    ({ split, rows: count, sha256 }) => `${split}: ${count} rows, ${sha256.slice(0, 12)}`,
  );
  return lines([
    ...rows,
    ['version', `${version.model}:${version.version}  ${version.digest.slice(0, 19)}${changed}`],
    ['live by', release === null ? 'served without a release' : by(release)],
    ...(restart === null ? [] : [['restart', by(restart)] satisfies [string, string]]),
    ['run', `${run.id}  (recipe ${run.recipe}, ${run.lockFile === null ? 'no lock' : `lock ${run.lockFile}`})`],
    ['base', `${run.baseModel}@${run.baseCommit.slice(0, 12)}`],
    ['learned', learned.join('; ')],
  ]);
}

function by({ actor, id, reason }: Release): string {
  return `${actor}, release ${id}: ${reason ?? 'no reason given'}`;
}

function words({ finishReason, errorClass }: TrafficRequest): string {
  return [finishReason, errorClass].flatMap((word) => (word === null ? [] : [`, ${word}`])).join('');
}

function lines(rows: readonly [string, string][]): string {
  return rows.map(([name, value]) => `${name.padEnd(9)} ${value}`).join('\n');
}
