// `mlx data forget`: deletes what was captured of a tenant, from the journal and from each Parquet file in .mlx/captures.
import { countOfTenant, forgetTenant } from '../capture/forget.js';
import { MlxError } from '../errors.js';
import { outcome } from '../output/output.js';
import type { CommandModule } from '../program.js';

export const define: CommandModule['define'] = (command) => {
  command.option('--tenant <name>', 'whose questions and answers');
  command.addHelpText(
    'after',
    `
Works while the gateway runs. What this does not reach: data files that mlx data capture wrote, and what a model learned from them.
The traffic log (mlx traffic) holds no words of anybody.

Examples:
  mlx data forget --tenant acme --dry-run
  mlx data forget --tenant acme --yes`,
  );
};

export const run: CommandModule['run'] = async (context, _args, flags) => {
  const { tenant } = flags;
  if (typeof tenant !== 'string' || tenant === '') {
    throw new MlxError('USAGE', 'Whose rows?', { hint: 'Name a tenant: mlx data forget --tenant NAME (mlx keys ls)' });
  }
  const { captures } = context.paths();
  const found = await countOfTenant(captures, tenant);
  const untouched = { tenant, found, rows: 0, files: 0 };
  if (found === 0 || context.flags.dryRun) return outcome(untouched, renderForgotten);
  if (!(await context.output.confirm(`Delete ${found} captured answers of ${tenant}?`))) {
    return outcome(untouched, renderForgotten);
  }
  return outcome({ tenant, found, ...(await forgetTenant(captures, tenant)) }, renderForgotten);
};

function renderForgotten({
  tenant,
  found,
  rows,
  files,
}: Record<'found' | 'rows' | 'files', number> & { tenant: string }) {
  if (found === 0) return `Nothing was captured of ${tenant}.`;
  if (rows === 0) return `Nothing was deleted. There are ${found} captured answers of ${tenant}.`;
  return `Deleted ${rows} captured answers of ${tenant}; ${files} files were written anew.`;
}
