// `mlx demo`: the whole loop with the real commands, in MLX_HOME/demo. Starts containers or processes, and stops them.
import { join } from 'node:path';

import { runDemo } from '../demo/demo.js';
import { freePorts } from '../demo/ports.js';
import { programRunner } from '../demo/program.js';
import { renderDemo } from '../demo/render.js';
import { openEngineIn } from '../engine/open.js';
import { outcome } from '../output/output.js';
import type { CommandModule } from '../program.js';

export const define: CommandModule['define'] = (command) => {
  command.option('--keep', 'leave everything running at the end');
  command.addHelpText(
    'after',
    `
Makes a small base model and a project in MLX_HOME/demo, trains two versions, serves, promotes and rolls back, all on this machine.
Nothing is downloaded but packages. Doing it again starts from nothing.

Examples:
  mlx demo
  mlx demo --engine host --keep`,
  );
};

export const run: CommandModule['run'] = async (context, _args, flags) => {
  const folder = join(context.home.home, 'demo', 'tickets');
  const environment = { ...context.environment, ...(await freePorts(context.environment)) };
  // The project is not there yet: its engine is chosen from the flag, MLX_ENGINE and the defaults.
  const engine = await openEngineIn(folder, context);
  const runProgram = programRunner({ engine: engine.kind, environment, signal: context.signal });
  const edges = { ...context, environment };
  const report = await runDemo(edges, engine, { keep: flags['keep'] === true, folder, runProgram });
  return outcome(report, (value) => renderDemo(value, context.output.columns));
};
