// `mlx gateway stop`: no new requests, open answers to their end, then it ends. Model servers keep running.
import { gatewayControl } from '../gateway/control.js';
import { stopGateway } from '../gateway/ensure.js';
import { outcome } from '../output/output.js';
import type { CommandModule } from '../program.js';

export const define: CommandModule['define'] = (command) => {
  command.addHelpText(
    'after',
    `
The model servers keep running; the next command that needs the gateway starts it again, with the same routes.

Examples:
  mlx gateway stop`,
  );
};

export const run: CommandModule['run'] = async (context) => {
  const paths = context.paths();
  if (context.flags.dryRun) {
    const state = await gatewayControl(paths.sockets).state();
    const plan = { dryRun: true, running: state !== undefined, openRequests: countOf(state?.inFlight ?? {}) };
    return outcome(plan, ({ running, openRequests }) =>
      running ? `Would stop the gateway after its ${openRequests} open requests.` : 'No gateway runs.',
    );
  }
  const stopped = await stopGateway(paths);
  return outcome({ stopped }, () => (stopped ? 'The gateway has stopped.' : 'No gateway runs.'));
};

function countOf(inFlight: Record<string, number>): number {
  return Object.values(inFlight).reduce((sum, count) => sum + count, 0);
}
