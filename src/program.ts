// The command tree: one line a command, in the order of --help. A command's own file adds its flags and runs it,
// and is loaded only when argv names it: `mlx --help` parses nothing else.
import { Command, Option } from 'commander';

import type { Context } from './context.js';
import type { Outcome } from './output/output.js';

export type CommandModule = {
  /** Adds arguments, flags and examples. */
  define: (command: Command) => void;
  /** `flags` are the command's own, as commander names them. */
  run: (context: Context, args: string[], flags: Record<string, unknown>) => Promise<Outcome>;
  /** Ctrl-C is its ordinary end: nothing is begun that would have to be put away, and nothing is said. */
  endsOnInterrupt?: (flags: Record<string, unknown>) => boolean;
};

type Entry = { path: string; summary: string; load: () => Promise<CommandModule> };

const entries: readonly Entry[] = [
  { path: 'init', summary: 'make a project: mlx.yaml, a recipe, its data', load: () => import('./commands/init.js') },
  { path: 'doctor', summary: 'check this machine and name the fix', load: () => import('./commands/doctor.js') },
  { path: 'up', summary: 'start the stack (MLflow)', load: () => import('./commands/up.js') },
  {
    path: 'down',
    summary: 'stop the stack, the model servers and the gateway',
    load: () => import('./commands/down.js'),
  },
  { path: 'status', summary: 'what runs, where, and how it is', load: () => import('./commands/status.js') },
  { path: 'logs', summary: 'lines of a service, a model server or a run', load: () => import('./commands/logs.js') },
  { path: 'demo', summary: 'the whole loop on this machine, narrated', load: () => import('./commands/demo.js') },
  { path: 'chat', summary: 'talk to the model in production', load: () => import('./commands/chat.js') },
  { path: 'pull', summary: 'download and verify a base model', load: () => import('./commands/pull.js') },
  { path: 'train', summary: 'train a recipe, score it against its base', load: () => import('./commands/train.js') },
  {
    path: 'data redact',
    summary: 'take personal identifiers out of a JSONL file',
    load: () => import('./commands/data-redact.js'),
  },
  {
    path: 'data capture',
    summary: 'captured traffic: what there is, and as rows for a recipe',
    load: () => import('./commands/data-capture.js'),
  },
  {
    path: 'data forget',
    summary: 'delete what was captured of a tenant',
    load: () => import('./commands/data-forget.js'),
  },
  {
    path: 'replay',
    summary: 'the same run again, or the exact reason why not',
    load: () => import('./commands/replay.js'),
  },
  { path: 'runs ls', summary: 'list runs', load: () => import('./commands/runs-ls.js') },
  {
    path: 'runs show',
    summary: 'one run: scores, loss curve, examples',
    load: () => import('./commands/runs-show.js'),
  },
  { path: 'runs compare', summary: 'what differs between runs', load: () => import('./commands/runs-compare.js') },
  { path: 'runs logs', summary: "the trainer's own log", load: () => import('./commands/runs-logs.js') },
  { path: 'runs stop', summary: 'end a training; its checkpoint stays', load: () => import('./commands/runs-stop.js') },
  { path: 'runs sync', summary: 'send to MLflow what it missed', load: () => import('./commands/runs-sync.js') },
  { path: 'runs rm', summary: 'delete a run and its files', load: () => import('./commands/runs-rm.js') },
  { path: 'package', summary: 'make a model version, an image, of a run', load: () => import('./commands/package.js') },
  { path: 'models ls', summary: 'list model versions and aliases', load: () => import('./commands/models-ls.js') },
  {
    path: 'models show',
    summary: 'one model version: digest, run, scores',
    load: () => import('./commands/models-show.js'),
  },
  { path: 'serve', summary: 'start a model server behind the gateway', load: () => import('./commands/serve.js') },
  { path: 'promote', summary: 'put a model version live', load: () => import('./commands/promote.js') },
  { path: 'rollback', summary: 'put the previous version back', load: () => import('./commands/rollback.js') },
  {
    path: 'releases show',
    summary: 'one release step by step, with times',
    load: () => import('./commands/releases-show.js'),
  },
  {
    path: 'releases recover',
    summary: 'finish or undo what an interrupted promotion left',
    load: () => import('./commands/releases-recover.js'),
  },
  { path: 'releases', summary: 'who put what live, when and why', load: () => import('./commands/releases.js') },
  {
    path: 'explain',
    summary: 'where one answer came from: version, run, rows, who put it live',
    load: () => import('./commands/explain.js'),
  },
  { path: 'gateway start', summary: 'start the gateway', load: () => import('./commands/gateway-start.js') },
  {
    path: 'gateway install',
    summary: 'start the gateway at boot (systemd)',
    load: () => import('./commands/gateway-install.js'),
  },
  { path: 'gateway stop', summary: 'finish open answers, then stop', load: () => import('./commands/gateway-stop.js') },
  {
    path: 'gateway status',
    summary: 'address, routes and open requests',
    load: () => import('./commands/gateway-status.js'),
  },
  {
    path: 'gateway reload',
    summary: 'read mlx.yaml again, without losing a request',
    load: () => import('./commands/gateway-reload.js'),
  },
  { path: 'gateway key', summary: 'print the key that clients send', load: () => import('./commands/gateway-key.js') },
  { path: 'prompts ls', summary: 'list the prompts of the project', load: () => import('./commands/prompts-ls.js') },
  {
    path: 'prompts show',
    summary: 'one prompt: variables, parameters, messages',
    load: () => import('./commands/prompts-show.js'),
  },
  {
    path: 'prompts render',
    summary: 'the messages that a model would get',
    load: () => import('./commands/prompts-render.js'),
  },
  {
    path: 'keys create',
    summary: 'make a key for a client, with its limits',
    load: () => import('./commands/keys-create.js'),
  },
  {
    path: 'keys ls',
    summary: 'list keys, whom they are for and their limits',
    load: () => import('./commands/keys-ls.js'),
  },
  { path: 'keys revoke', summary: 'end a key at once', load: () => import('./commands/keys-revoke.js') },
  {
    path: 'keys rotate',
    summary: 'a new secret for a key; the old one ends later',
    load: () => import('./commands/keys-rotate.js'),
  },
  {
    path: 'budgets',
    summary: 'limits of keys, tenants and features: used, left',
    load: () => import('./commands/budgets.js'),
  },
  {
    path: 'traffic',
    summary: 'requests, tokens, cost and latency by feature, model, ...',
    load: () => import('./commands/traffic.js'),
  },
  {
    path: 'routes ls',
    summary: 'the names that clients send, and where they go',
    load: () => import('./commands/routes-ls.js'),
  },
  {
    path: 'routes explain',
    summary: 'which upstream a request would take, and why',
    load: () => import('./commands/routes-explain.js'),
  },
  {
    path: 'audit verify',
    summary: 'find versions, aliases and promotions that were rewritten',
    load: () => import('./commands/audit-verify.js'),
  },
  {
    path: 'backup',
    summary: 'copy the ledger, list the copies, restore one',
    load: () => import('./commands/backup.js'),
  },
  { path: 'gc', summary: 'delete what no lock, run or version needs', load: () => import('./commands/gc.js') },
  { path: 'config', summary: 'every setting and where it came from', load: () => import('./commands/config.js') },
];

const groupSummaries: Record<string, string> = {
  data: 'the rows that models learn from',
  audit: 'the tamper-evident record of releases',
  prompts: 'versioned templates of messages',
  runs: 'list, show, compare and delete runs',
  models: 'model versions and their images',
  gateway: 'one stable address for every model',
  keys: "clients' keys: models, limits and budgets",
  routes: 'from the names that clients send to upstreams',
};

export type Invocation = {
  module: CommandModule;
  args: string[];
  flags: Record<string, unknown>;
};

/** Builds the tree, loads the one command that argv names, and tells `onInvoke` what to run. */
export async function buildProgram(
  argv: readonly string[],
  version: string,
  onInvoke: (invocation: Invocation) => Promise<void>,
): Promise<Command> {
  const program = new Command('mlx')
    .description('Local-first MLOps: train, evaluate, package, serve, promote and roll back your own model.')
    .version(version, '-V, --version');
  program.showHelpAfterError('(add --help for the arguments and examples)').configureHelp({ showGlobalOptions: true });
  program.addHelpText(
    'after',
    '\nFirst time here? mlx demo runs the whole loop in a few minutes, without Docker or a GPU.',
  );
  const chosen = namedEntry(argv);
  // With a command named, the others need not be built: a third of the time that argv takes.
  for (const entry of chosen ? [chosen] : entries) {
    const command = commandAt(program, entry.path).description(entry.summary);
    addGlobalOptions(command);
    if (entry !== chosen) continue;
    const module = await entry.load();
    module.define(command);
    command.action(async () => {
      await onInvoke({ module, args: command.args, flags: command.opts() });
    });
  }
  return program;
}

function commandAt(program: Command, path: string): Command {
  const [first = '', second] = path.split(' ');
  // `releases` is a command and, with `releases show`, a group.
  const known = program.commands.find((command) => command.name() === first);
  if (second === undefined) return known ?? program.command(first);
  const group = known ?? program.command(first).description(groupSummaries[first] ?? '');
  return group.command(second);
}

/** The entry whose words stand first in argv among the words that are no flags. */
function namedEntry(argv: readonly string[]): Entry | undefined {
  const words = argv.filter((word) => !word.startsWith('-'));
  return entries.find((entry) => entry.path.split(' ').every((word, index) => words[index] === word));
}

function addGlobalOptions(command: Command): void {
  command.addOption(new Option('--json', 'print JSON for programs'));
  command.addOption(new Option('-y, --yes', 'answer yes to every question'));
  command.addOption(new Option('--dry-run', 'show what would happen and change nothing'));
  command.addOption(new Option('--engine <kind>', 'where it runs').choices(['docker', 'host']));
  command.addOption(new Option('-C, --project <folder>', 'the project, instead of the one around the current folder'));
}
