// The demo's story: which commands a person would type, in which order, and why. Pure.

export type Question = { system: string | undefined; user: string; expected: string };

export type Step = {
  title: string;
  /** After `mlx`. */
  argv: string[];
  /** A client keeps asking while this step runs, so that a lost request would be seen. */
  underTraffic: boolean;
};

/** What the demo's recipes name. */
export const usualModel = 'tickets';

export type StoryOptions = { withStack: boolean; question: Question; model: string; keep: boolean };

export function story({ withStack, question, model, keep }: StoryOptions): Step[] {
  const ask = [
    'chat',
    model,
    ...(question.system === undefined ? [] : ['--system', question.system]),
    '--message',
    question.user,
  ];
  const toModel = model === usualModel ? [] : ['--name', model];
  return [
    step('Make a project: settings, two recipes, 2,000 customer messages', ['init', '--template', 'demo']),
    ...(withStack ? [step('Start MLflow beside it', ['up'])] : []),
    step('Get the base model (a small one, made on this machine)', ['pull', 'mlx/demo-base']),
    step('Version 1: fine-tune it with LoRA, quick and cheap', ['train', 'tickets']),
    step('Make a model version of the run', ['package', 'latest', ...toModel]),
    step('Serve it behind one stable address', ['serve', `${model}:1`]),
    step('Ask it something that it never saw', ask),
    step('Version 2: a larger adapter, more training', ['train', 'tickets-better']),
    step('Make a model version of it too', ['package', 'latest', ...toModel]),
    step(
      'Put version 2 live while a client keeps asking',
      ['promote', `${model}:2`, '--message', 'larger adapter, more training'],
      true,
    ),
    step('Ask the same question at the same address', ask),
    step('Take it back, again under traffic', ['rollback', model, '--message', 'rehearsal'], true),
    step('Who put what live, when and why', ['releases']),
    ...(keep ? [] : [step('Stop everything that the demo started', ['down'])]),
  ];
}

/** As a person would type it: quoted where a shell needs it, long texts shortened for the eye. */
export function renderCommand(argv: readonly string[]): string {
  return [
    'mlx',
    ...argv.map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `"${shorten(word.replaceAll('"', '\\"'))}"`)),
  ].join(' ');
}

function shorten(text: string): string {
  const line = text.replaceAll(/\s+/g, ' ');
  return line.length <= 72 ? line : `${line.slice(0, 69)}...`;
}

function step(title: string, argv: string[], underTraffic = false): Step {
  return { title, argv, underTraffic };
}
