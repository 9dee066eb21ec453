// `mlx up`: starts MLflow. Touches one service (container, or process with a pid file in .mlx/run) and .mlx/mlflow.
import type { Context } from '../context.js';
import { outcome, type Outcome } from '../output/output.js';
import type { CommandModule } from '../program.js';
import { renderUp } from '../stack/render.js';
import { planStack, startStack } from '../stack/up.js';

export const define: CommandModule['define'] = (command) => {
  command.addHelpText(
    'after',
    `
Starts what runs beside training: MLflow, on 127.0.0.1 alone. Safe to repeat: what runs already stays as it is.

Examples:
  mlx up
  mlx up --engine host
  mlx up --dry-run`,
  );
};

export const run: CommandModule['run'] = async (context) => {
  if (context.flags.dryRun) return planned(context);
  const { output } = context;
  const report = await startStack({
    engine: await context.engine(),
    config: await context.config(),
    paths: context.paths(),
    environment: context.environment,
    onProgress: (line, fraction) => output.progress({ event: 'progress', line, fraction }, line),
    signal: context.signal,
  });
  return outcome(report, renderUp);
};

async function planned(context: Context): Promise<Outcome> {
  const config = await context.config();
  const { wanted, skipped } = planStack(config, context.environment);
  const { kind } = await context.engine();
  const would = wanted.map((service) => ({ ...service.spec(config, context.paths()), purpose: service.purpose }));
  return outcome({ dryRun: true, engine: kind, services: would, skipped }, (plan) =>
    [
      ...plan.services.map(
        ({ name, port, purpose }) => `would start ${name} on 127.0.0.1:${port} (${kind}): ${purpose}`,
      ),
      ...plan.skipped.map(({ name, reason }) => `would not start ${name}: ${reason}`),
    ].join('\n'),
  );
}
