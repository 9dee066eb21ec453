// `mlx explain`: where one answer came from, and who is responsible for it. Reads .mlx/traffic.db and the ledger.
import { MlxError } from '../errors.js';
import { keyNames } from '../gateway/keys/describe.js';
import { listKeys } from '../ledger/keys.js';
import type { RunDataset } from '../ledger/metrics.js';
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
  command.argument(
    '<response>',
    'the x-request-id of an answer or the id in its body, as mlx traffic --follow shows it too',
  );
  command.addHelpText(
    'after',
    `
From the answer to its route, the version and its image, the run that trained it, the rows it learned from, and who put it live when
and why. Of a request that nobody answered (answered: false in --json): how it ended, and which version it
was meant for. Nothing of what was asked or answered is kept, so nothing of it is shown.

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
    const request = traffic && findRequest(traffic, ownId(requestId));
    if (request) return request;
    throw new MlxError('NOT_FOUND', `No answer ${requestId} went through this project's gateway, or it is forgotten.`, {
      hint: `${newestIds(traffic)} Answers carry their id as the header x-request-id; mlx traffic --follow shows it too.`,
    });
  } finally {
    traffic?.close();
  }
}

/** Bodies carry it behind what ids begin with in their dialect: `msg_req_019a...`. */
function ownId(requestId: string): string {
  return /req_[0-9a-f]{8}-.*$/.exec(requestId)?.[0] ?? requestId;
}

function newestIds(traffic: Ledger | undefined): string {
  const newest = traffic ? trafficAfter(traffic, newestTrafficId(traffic) - shownIds) : [];
  if (newest.length === 0) return 'No request has come yet.';
  return `The newest: ${newest
    .reverse()
    .map(({ requestId }) => requestId)
    .join(', ')}.`;
}

function render(explanation: Explanation, nameOf: (key: string) => string): string {
  const { request, answered, version } = explanation;
  const { keyId, tenant, feature } = request;
  const rows: Row[] = [
    [answered ? 'answer' : 'request', `${request.requestId}  ${new Date(request.startedAtMs).toISOString()}`],
    answered ? ['ended', endText(request)] : ['answer', `none: ${endText(request)}`],
    ['asked by', [keyId && nameOf(keyId), tenant, feature].filter(Boolean).join(' / ') || 'the own key'],
    ['route', `${request.route ?? 'none'} -> ${request.upstream ?? 'nobody'}`],
  ];
  if (!version) return lines([...rows, ['model', request.model ?? 'none']]);
  const changed = version.sameDigest ? '' : '  (the answer came from another image of that name)';
  const named = `${version.model}:${version.version}  ${version.digest.slice(0, 19)}${changed}`;
  return lines([
    ...rows,
    [answered ? 'version' : wentTo(request), named],
    ...releaseRows(explanation),
    ...runRows(explanation.run),
  ]);
}

type Row = [string, string];

/** Its server said no, or could not be asked. */
function wentTo({ errorClass, version }: TrafficRequest): string {
  return version !== null && errorClass?.startsWith('status_') === true ? 'refused by' : 'meant for';
}

function releaseRows({ release, restart }: Explanation): Row[] {
  const put: Row = ['live by', release === null ? 'served without a release' : by(release)];
  return restart === null ? [put] : [put, ['restart', by(restart)]];
}

function runRows(run: Explanation['run']): Row[] {
  if (!run) return [];
  return [
    ['run', `${run.id}  (recipe ${run.recipe}, ${run.lockFile === null ? 'no lock' : `lock ${run.lockFile}`})`],
    ['base', `${run.baseModel}@${run.baseCommit.slice(0, 12)}`],
    ...run.datasets.map(datasetRow),
  ];
}

/** Held-out rows are what it was scored on: it never saw them in training. */
function datasetRow({ split, rows, sha256 }: RunDataset): Row {
  const what = `${rows} rows, ${sha256.slice(0, 12)}`;
  return split === 'held_out' ? ['held out', `${what}  (scored on them, not trained)`] : ['trained on', what];
}

function endText({ status, finishReason, errorClass, durationMs }: TrafficRequest): string {
  const words = [finishReason, errorClass].flatMap((word) => (word === null ? [] : [`, ${word}`]));
  return `status ${status}${words.join('')} after ${formatMilliseconds(durationMs)}`;
}

function by({ actor, id, reason }: Release): string {
  return `${actor}, release ${id}: ${reason ?? 'no reason given'}`;
}

function lines(rows: readonly Row[]): string {
  return rows.map(([name, value]) => `${name.padEnd(10)} ${value}`).join('\n');
}
