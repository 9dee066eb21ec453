// `mlx audit verify`: reads the ledger, changes nothing.
import type { CommandModule } from '../program.js';
import { exitStatus } from '../errors.js';
import { verifyAudit, type AuditReport } from '../ledger/audit.js';
import { outcome } from '../output/output.js';

export const define: CommandModule['define'] = (command) => {
  command.addHelpText(
    'after',
    `
Every model version, alias and promotion is an entry in a hash chain. This walks the chain and compares it with the rows.
Keep the head hash somewhere else: it also shows when the newest entries and their rows were removed together.

Examples:
  mlx audit verify
  mlx audit verify --json | jq -r .head_hash`,
  );
};

export const run: CommandModule['run'] = async (context) => {
  const report = verifyAudit(await context.ledger());
  return outcome(report, renderAudit, report.findings.length === 0 ? exitStatus.ok : exitStatus.failed);
};

function renderAudit({ entries, headHash, findings }: AuditReport): string {
  const head = `${entries} entries, head ${headHash.slice(0, 16)}`;
  if (findings.length === 0) return `The record is whole: ${head}.`;
  return [`The record was changed: ${head}.`, ...findings.map(({ what }) => `  ${what}`)].join('\n');
}
