// `mlx gateway start`: starts this project's gateway, detached; or is it (--foreground). Touches .mlx/run and .mlx/secrets.
import cluster from 'node:cluster';
import { once } from 'node:events';

import type { Context } from '../context.js';
import { requireFreePort } from '../engine/port.js';
import { errorMessage, MlxError } from '../errors.js';
import { ensureGateway } from '../gateway/ensure.js';
import { outcome, type Outcome } from '../output/output.js';
import type { CommandModule } from '../program.js';
import { settlePromotions } from '../registry/settle.js';

export const define: CommandModule['define'] = (command) => {
  command
    .option('--foreground', 'run in this terminal until Ctrl-C, or until mlx gateway stop')
    .option('--port <port>', 'instead of gateway.port of mlx.yaml');
  command.addHelpText(
    'after',
    `
Commands that need the gateway start it by themselves. It listens on 127.0.0.1 alone.

Examples:
  mlx gateway start
  mlx gateway start --foreground`,
  );
};

export const run: CommandModule['run'] = async (context, _args, flags) => {
  const wanted = flags as { port?: string; foreground?: boolean };
  const port = wanted.port === undefined ? (await context.config()).gateway.port : readPort(wanted.port);
  const url = `http://127.0.0.1:${port}/v1`;
  if (context.flags.dryRun) return outcome({ dryRun: true, url }, () => `Would start the gateway at ${url}.`);
  if (!cluster.isWorker) await notePrompts(context);
  if (wanted.foreground === true) return runInForeground(context, port);
  await settlePromotions(context);
  const { environment, output } = context;
  const { state } = await ensureGateway({ paths: context.paths(), port, move: true, environment, note: output.note });
  const started = { url, pid: state.pid, routes: state.routes.map(({ name }) => name) };
  return outcome(started, ({ routes }) =>
    [
      `The gateway answers at ${url} (process ${state.pid}).`,
      routes.length === 0 ? 'It serves no model yet: mlx serve MODEL' : `It serves ${routes.join(', ')}.`,
    ].join('\n'),
  );
};

/** What a request would be refused for is better known now. */
async function notePrompts(context: Context): Promise<void> {
  const { routes } = await context.config();
  if (routes.every(({ prompt }) => prompt === undefined)) return;
  const { routePromptNotes } = await import('../gateway/prompting/route-prompts.js');
  for (const note of await routePromptNotes(routes, context.paths().prompts)) context.output.note(note);
}

async function runInForeground(context: Context, port: number): Promise<Outcome> {
  if (cluster.isWorker) {
    const { runWorker } = await import('../gateway/workers/worker.js');
    return runWorker({ paths: context.paths(), now: context.now });
  }
  // Before the traffic log is opened: a gateway of an older mlx may be writing to it, and could not once it is converted.
  if (port !== 0) await requireFreePort(port, 'The gateway', 'gateway.port');
  const [{ startGatewayServer }, { loadConfig }] = await Promise.all([
    import('../gateway/server.js'),
    import('../config/load.js'),
  ]);
  const { drainTimeoutMs } = (await context.config()).serving;
  const { environment, now, output } = context;
  const paths = context.paths();
  const gateway = await startGatewayServer({
    ...{ paths, port, now, warn: output.note, drainTimeoutMs, environment },
    readConfig: () => loadConfig(paths, environment),
  });
  context.output.note(`The gateway answers at http://127.0.0.1:${gateway.port}/v1 (process ${process.pid}).`);
  const unread = (error: unknown): void => output.note(`Nothing was read anew: ${errorMessage(error)}`);
  process.on('SIGHUP', () => void gateway.reload().catch(unread));
  const [{ tendPromotions }, { reviveServers }] = await Promise.all([
    import('../registry/tend.js'),
    import('../registry/revive.js'),
  ]);
  const edges = { ...context, paths: context.paths(), warn: gateway.note };
  const endings = [tendPromotions(edges), reviveServers({ ...edges, attend: gateway.attend })];
  await Promise.race([gateway.stopRequested, aborted(context.signal)]);
  for (const end of endings) end();
  await gateway.stop();
  return outcome({ stopped: true }, () => 'The gateway has stopped; open answers were finished.');
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (!signal.aborted) await once(signal, 'abort');
}

function readPort(text: string): number {
  const port = Number(text);
  if (Number.isInteger(port) && port > 0 && port < 65_536) return port;
  throw new MlxError('USAGE', `--port takes a number from 1 to 65535, not '${text}'.`);
}
