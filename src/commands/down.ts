// `mlx down`: stops the gateway, the model servers and MLflow of this project, on both engines. With --delete-data also .mlx/mlflow.
import { existsSync } from 'node:fs';

import type { Context } from '../context.js';
import { gatewayOwnerFile } from '../gateway/control-api.js';
import { outcome } from '../output/output.js';
import type { CommandModule } from '../program.js';
import { planDown, stopStack, type DownPlan } from '../stack/down.js';
import { allEngines } from '../stack/engines.js';

export const define: CommandModule['define'] = (command) => {
  command.option('--delete-data', "also delete MLflow's data (asks first; the ledger and the runs stay)");
  command.addHelpText(
    'after',
    `
Open answers are finished first. Runs, model versions and the ledger stay; a run that trains goes on.

Examples:
  mlx down
  mlx down --delete-data
  mlx down --dry-run`,
  );
};

export const run: CommandModule['run'] = async (context, _args, flags) => {
  const deleteData = flags['deleteData'] === true;
  const plan = await planDown(await allEngines(context.engine, context.flags.engine));
  const gateway = existsSync(gatewayOwnerFile(context.paths().run));
  if (context.flags.dryRun) return planned(plan, gateway, deleteData);
  if (deleteData && !(await context.output.confirm("Delete MLflow's data of this project for good?"))) {
    return outcome({ stopped: [], deletedData: false }, () => 'Nothing was stopped or deleted.');
  }
  const stoppedGateway = gateway && (await stopGateway(context));
  const parts = await stopStack(plan, deleteData, (line) => context.output.progress({ event: 'progress', line }, line));
  const stopped = [...(stoppedGateway ? ['gateway'] : []), ...parts];
  return outcome({ stopped, deletedData: deleteData }, (report) =>
    [
      report.stopped.length === 0 ? 'Nothing ran.' : `Stopped ${report.stopped.join(', ')}.`,
      ...(report.deletedData ? ["MLflow's data is deleted."] : []),
    ].join('\n'),
  );
};

/** First, so that no request reaches a server that is about to stop. */
async function stopGateway(context: Context): Promise<boolean> {
  context.output.progress({ event: 'progress', line: 'stopping the gateway' }, 'stopping the gateway');
  const { stopGateway: stop } = await import('../gateway/ensure.js');
  return stop(context.paths());
}

function planned(plan: DownPlan, gateway: boolean, deleteData: boolean) {
  const parts = plan.flatMap(({ servers, services }) => [...servers.map(({ name }) => name), ...services]);
  const would = { dryRun: true, wouldStop: [...(gateway ? ['gateway'] : []), ...parts], wouldDeleteData: deleteData };
  return outcome(would, ({ wouldStop }) =>
    [
      wouldStop.length === 0 ? 'Nothing runs.' : `would stop ${wouldStop.join(', ')}`,
      ...(deleteData ? ["would delete MLflow's data"] : []),
    ].join('\n'),
  );
}
