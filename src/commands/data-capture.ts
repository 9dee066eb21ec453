// `mlx data capture`: what the gateway captured, and the same as rows of chat messages for a recipe. Reads .mlx/captures; with
// --out writes a new file.
import { existsSync, rmSync } from 'node:fs';
import { resolve } from 'node:path';

import { writeDataset, type CaptureReport } from '../capture/dataset.js';
import { exitStatus, MlxError } from '../errors.js';
import { formatCount } from '../output/numbers.js';
import { outcome } from '../output/output.js';
import { readSince } from '../output/spans.js';
import { renderTable } from '../output/table.js';
import type { CommandModule } from '../program.js';

const roles = ['primary', 'canary', 'fallback', 'shadow'];
/** The model was through with what it had to say; in the words of each dialect. */
const wholeReasons = 'stop,end_turn,stop_sequence,completed';

export const define: CommandModule['define'] = (command) => {
  command.option('--out <file>', 'write rows there, as JSONL; without it: only counts');
  command.option('--route <name>', 'of this route alone');
  command.option('--feature <name>', 'of this feature alone');
  command.option('--tenant <name>', 'of this tenant alone');
  command.option('--model <name>', "answers of this model alone: the upstream's name, or a version such as tickets:2");
  command.addOption(
    command.createOption('--role <role>', 'answers of this role; default: those that clients saw').choices(roles),
  );
  command.option('--since <time>', 'how far back: 24h, 7d, or a day such as 2026-11-01', '30d');
  command.option('--until <time>', 'up to then, in the same words');
  command.option('--finish-reason <list>', 'answers that ended so, with commas between', wholeReasons);
  command.addHelpText(
    'after',
    `
A route captures what is asked and answered when mlx.yaml says so (routes.NAME.capture). What is kept is redacted before it is
written. A row is a conversation up to one answer, equal rows once; conversations with tools, images or control characters, and those
over a million characters, are counted and left out. The file fits a recipe as it is: dataset.train.

Examples:
  mlx data capture                                         what there is, by route
  mlx data capture --route support --since 7d --out data/support.jsonl
  mlx data capture --route support --role shadow --out data/shadow.jsonl`,
  );
};

export const run: CommandModule['run'] = async (context, _args, flags) => {
  const text = (name: string): string | undefined => (typeof flags[name] === 'string' ? flags[name] : undefined);
  const now = context.now();
  const out = text('out');
  const target = out === undefined || context.flags.dryRun ? undefined : resolve(context.workingDirectory, out);
  if (target !== undefined && existsSync(target)) {
    throw new MlxError('FILE_EXISTS', `${target} is there already.`, { hint: 'Name another: --out FILE' });
  }
  const until = text('until');
  const filter = {
    sinceMs: readSince(text('since') ?? '30d', '--since', now),
    untilMs: until === undefined ? Infinity : readSince(until, '--until', now),
    finishReasons: (text('finishReason') ?? wholeReasons).split(',').map((word) => word.trim()),
    ...{ route: text('route'), feature: text('feature'), tenant: text('tenant'), model: text('model') },
    role: text('role'),
  };
  const report = await writeDataset(context.paths().captures, filter, target);
  // An empty file is no data set, and would be in the way of the next try.
  if (target !== undefined && report.rows === 0) rmSync(target);
  const written = target !== undefined && report.rows > 0;
  const value = { out: written ? (out ?? null) : null, ...report };
  const status = target === undefined || written ? exitStatus.ok : exitStatus.failed;
  return outcome(value, (shown) => renderReport(shown, target !== undefined, context.output.columns), status);
};

const reasons: Record<keyof CaptureReport['unusable'], string> = {
  tools: 'with tools',
  media: 'with images or files',
  not_chat: 'no conversations',
  order: 'without a question and answer in turn',
  control_characters: 'with control characters',
  too_long: 'too long',
};

function renderReport(report: CaptureReport & { out: string | null }, wanted: boolean, width: number): string {
  if (report.captured === 0) {
    return 'Nothing was captured, or the filter lets nothing through. A route captures with capture: {} in mlx.yaml.';
  }
  const table = renderTable(
    [
      { title: 'route', cell: ([route]) => route },
      { title: 'captured', cell: ([, count]) => formatCount(count), align: 'right' },
    ],
    Object.entries(report.byRoute),
    width,
  );
  const left: [string, number][] = [
    ['the same as another', report.duplicates],
    ['not ended as --finish-reason says', report.unfinished],
    ...Object.entries(reasons).map(([reason, words]): [string, number] => [
      words,
      report.unusable[reason as keyof typeof reasons] ?? 0,
    ]),
  ];
  const leftOut = left.flatMap(([words, count]) => (count === 0 ? [] : [`  ${formatCount(count)} ${words}`]));
  const nothing = wanted ? 'Nothing was written.' : 'Nothing was written; --out FILE writes them.';
  const where = report.out === null ? nothing : `Written: ${report.out}`;
  const lines = [`${formatCount(report.rows)} rows to learn from. ${where}`];
  return [table, '', ...lines, ...(leftOut.length > 0 ? ['Left out:', ...leftOut] : [])].join('\n');
}
