// `mlx gateway reload`: the running gateway reads mlx.yaml and its upstreams' key files again. Requests on their way are not touched.
import { MlxError } from '../errors.js';
import { restartGateway } from '../gateway/control-api.js';
import { gatewayControl } from '../gateway/control.js';
import { routePromptNotes } from '../gateway/prompting/route-prompts.js';
import { outcome } from '../output/output.js';
import type { CommandModule } from '../program.js';

export const define: CommandModule['define'] = (command) => {
  command.addHelpText(
    'after',
    `
A wrong mlx.yaml is refused with every problem, and the gateway goes on with the one it has. A key that stands in a variable
is read when the gateway starts: after a new one, ${restartGateway}. SIGHUP does the same as this command.
Of the prompts of routes it is said which are missing or wrong, and which variables every request has to fill.

Examples:
  mlx gateway reload
  mlx gateway reload --dry-run      only check the file`,
  );
};

export const run: CommandModule['run'] = async (context) => {
  // Refuses a wrong file here, with its lines, before the gateway is asked.
  const { routes, upstreams } = await context.config();
  const read = { routes: routes.map(({ name }) => name), upstreams: upstreams.map(({ name }) => name) };
  const notes = await routePromptNotes(routes, context.paths().prompts);
  if (context.flags.dryRun) {
    return outcome({ dryRun: true, ...read, notes }, () =>
      [`mlx.yaml is right: ${counted(read)}.`, ...notes].join('\n'),
    );
  }
  const state = await gatewayControl(context.paths().sockets).reload();
  if (!state) throw new MlxError('GATEWAY_DOWN', 'No gateway runs.', { hint: 'Start it: mlx gateway start' });
  if (state.configProblem) {
    throw new MlxError('CONFIG_INVALID', `The gateway refused mlx.yaml: ${state.configProblem.message}`, {
      problems: state.configProblem.problems.map(({ file, line, path, message }) => ({
        file,
        message,
        ...(line === undefined ? {} : { line }),
        ...(path === undefined ? {} : { path }),
      })),
      hint: 'Correct what is listed; until then the gateway uses the one before.',
    });
  }
  const unusable = state.upstreams.filter(({ problem }) => problem !== null);
  return outcome({ reloaded: true, ...read, unusable, notes }, () =>
    [
      `The gateway uses mlx.yaml as it is now: ${counted(read)}.`,
      ...unusable.map(({ name, problem }) => `${name} cannot be asked: ${problem ?? ''}.`),
      ...notes,
    ].join('\n'),
  );
};

function counted({ routes, upstreams }: { routes: string[]; upstreams: string[] }): string {
  return `${routes.length} ${routes.length === 1 ? 'route' : 'routes'}, ${upstreams.length} ${upstreams.length === 1 ? 'upstream' : 'upstreams'}`;
}
