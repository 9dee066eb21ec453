// mlx doctor: asks this machine what mlx needs of it. Touches nothing without --fix; with it, folders of mlx alone.
import { examine } from '../doctor/examine.js';
import { readMachine } from '../doctor/machine.js';
import { renderExamination } from '../doctor/render.js';
import { exitStatus } from '../errors.js';
import { outcome } from '../output/output.js';
import type { CommandModule } from '../program.js';

export const define: CommandModule['define'] = (command) => {
  command.option(
    '--fix',
    'do what is safe: install uv under MLX_HOME, make folders private, clear what dead processes left',
  );
  command.addHelpText(
    'after',
    `
Exit status 3 when something that the engine needs is missing; warnings do not count.
System packages are never touched: their commands are printed.

Examples:
  mlx doctor
  mlx doctor --engine docker        what Docker would need, whatever is configured
  mlx doctor --fix
  mlx doctor --json | jq '.findings[] | select(.status == "fail")'`,
  );
};

export const run: CommandModule['run'] = async (context, _args, flags) => {
  const machine = await readMachine(context);
  const examination = await examine(machine, flags['fix'] === true && !context.flags.dryRun);
  return outcome(examination, renderExamination, examination.counts.fail > 0 ? exitStatus.preflight : exitStatus.ok);
};
