// `mlx audit verify`: reads the ledger, changes nothing.
import type { CommandModule } from '../program.js';
import { exitStatus, MlxError } from '../errors.js';
import { verifyAudit, type AuditReport } from '../ledger/audit.js';
import { outcome } from '../output/output.js';

export const define: CommandModule['define'] = (command) => {
  command.option('--head <hash>', 'the head that you kept: it must still be an entry of the chain');
  command.addHelpText(
    'after',
    `
Every model version (with a hash of what its run scored, and on which rows), alias and promotion is an entry in a hash chain. This walks
the chain and compares it with the rows.
Who can write the file can also rewrite the whole chain: keep the head hash somewhere else, and compare it with --head.

Examples:
  mlx audit verify
  mlx audit verify --json | jq -r .head_hash
  mlx audit verify --head 5f0c1e...`,
  );
};

export const run: CommandModule['run'] = async (context, _args, flags) => {
  const { head } = flags as { head?: string };
  if (head !== undefined && !/^[0-9a-f]{16,64}$/.test(head)) {
    throw new MlxError('USAGE', `'${head}' is no hash of an entry: 16 to 64 digits of 0-9 and a-f.`, {
      hint: 'The current one: mlx audit verify',
    });
  }
  const report = verifyAudit(await context.ledger(), head);
  return outcome(report, renderAudit, report.findings.length === 0 ? exitStatus.ok : exitStatus.failed);
};

function renderAudit({ entries, headHash, findings }: AuditReport): string {
  const head = `${entries} entries, head ${headHash}`;
  if (findings.length === 0) return `The record is whole: ${head}.`;
  return [`The record was changed: ${head}.`, ...findings.map(({ what }) => `  ${what}`)].join('\n');
}
