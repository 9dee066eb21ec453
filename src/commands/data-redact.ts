// `mlx data redact`: personal identifiers out of a JSONL file, before it becomes training data. Reads the file, writes a new one
// beside it; the old one stays.
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';

import { findDataFiles } from '../dataset/files.js';
import { redactFile, type RedactionReport } from '../dataset/redact.js';
import { MlxError } from '../errors.js';
import { toSnakeCase } from '../output/json.js';
import { outcome } from '../output/output.js';
import { renderTable } from '../output/table.js';
import { isPhoneRegion } from '../privacy/detectors/phone.js';
import { kinds, type Kind } from '../privacy/spans.js';
import type { CommandModule } from '../program.js';

const detectable = kinds.filter((kind) => kind !== 'name');

export const define: CommandModule['define'] = (command) => {
  command.argument('<file>', 'a JSONL file');
  command.option('--out <file>', 'where to write; default: FILE with .redacted before its ending');
  command.option('--kinds <list>', `only these, with commas between: ${detectable.join(', ')}`);
  command.option('--regions <list>', 'countries whose phone numbers are written without their code', 'US,JP');
  command.option('--report <file>', 'write the counts there too, as JSON');
  command.addHelpText(
    'after',
    `
Each identifier becomes a placeholder such as [EMAIL_1], the same one for the same value within a row. What was found is
counted, never shown. Numbers that are replaced become text.

Examples:
  mlx data redact data/train.jsonl                       writes data/train.redacted.jsonl
  mlx data redact data/train.jsonl --dry-run             only counts
  mlx data redact raw.jsonl --kinds email,phone --out data/train.jsonl`,
  );
};

export const run: CommandModule['run'] = async (context, [file = ''], flags) => {
  const [source] = await findDataFiles(context.workingDirectory, [file]);
  if (source === undefined || source.format !== 'jsonl') {
    throw new MlxError('DATA_INVALID', `${file} is no JSONL file.`, { hint: 'Only JSONL files can be redacted yet.' });
  }
  const out = typeof flags['out'] === 'string' ? flags['out'] : file.replace(/(\.[^.]+)$/, '.redacted$1');
  const reportFile =
    typeof flags['report'] === 'string' ? resolve(context.workingDirectory, flags['report']) : undefined;
  const target = context.flags.dryRun ? undefined : resolve(context.workingDirectory, out);
  refuseExisting([target, context.flags.dryRun ? undefined : reportFile]);
  const detection = { kinds: parseKinds(flags['kinds']), phoneRegions: parseRegions(flags['regions']) };
  const report = await redactFile(source, target, detection);
  if (reportFile !== undefined && target !== undefined) {
    await writeFile(reportFile, `${JSON.stringify(toSnakeCase(report), null, 2)}\n`, { flag: 'wx', mode: 0o600 });
  }
  const value = { file, out: target === undefined ? null : out, ...report };
  return outcome(value, (shown) => renderReport(shown, context.output.columns));
};

/** Before the work: an hour of it must not end with a file in the way. */
function refuseExisting(files: readonly (string | undefined)[]): void {
  const existing = files.find((file) => file !== undefined && existsSync(file));
  if (existing === undefined) return;
  throw new MlxError('FILE_EXISTS', `${existing} is there already.`, {
    hint: 'Name another: --out FILE or --report FILE',
  });
}

function parseKinds(list: unknown): Kind[] {
  if (list === undefined) return detectable;
  const wanted = words(list);
  const unknown = wanted.filter((word) => !detectable.some((kind) => kind === word));
  if (unknown.length > 0 || wanted.length === 0) {
    throw new MlxError('USAGE', `--kinds: there is no kind '${unknown.join(', ')}'.`, {
      hint: `There are: ${detectable.join(', ')}`,
    });
  }
  return detectable.filter((kind) => wanted.includes(kind));
}

function parseRegions(list: unknown): string[] {
  const regions = words(list).map((word) => word.toUpperCase());
  const unknown = regions.filter((region) => !isPhoneRegion(region));
  if (unknown.length > 0) {
    throw new MlxError('USAGE', `--regions: there is no country '${unknown.join(', ')}'.`, {
      hint: 'Two letters a country (ISO 3166), with commas between: --regions US,JP',
    });
  }
  return regions;
}

function words(list: unknown): string[] {
  return String(list)
    .split(/[\s,]+/)
    .filter((word) => word !== '');
}

function renderReport(report: RedactionReport & { file: string; out: string | null }, width: number): string {
  const found = Object.entries(report.found).filter(([, count]) => count > 0);
  const where = report.out === null ? 'Nothing was written.' : `Written: ${report.out}`;
  const summary = `${report.rowsChanged} of ${report.rows} rows hold identifiers. ${where}`;
  if (found.length === 0) return summary;
  const table = renderTable(
    [
      { title: 'kind', cell: ([kind]) => kind },
      { title: 'found', cell: ([, count]) => String(count), align: 'right' },
    ],
    found,
    width,
  );
  return `${table}\n\n${summary}`;
}
