// The project's own code: its commit, and what was changed since. Reads git; a project without it has neither.
import type { Paths } from '../config/paths.js';
import { askProgram } from '../engine/exec.js';

export type CodeState = {
  commit: string | null;
  /** Text of `git diff`: what to apply to the commit; null when nothing was changed. */
  patch: string | null;
};

/** What mlx writes beside a recipe after each run is no change of the code. */
const ownFiles = [':(exclude)*.lock.yaml', ':(exclude)*.lock.rows'];

export async function readCodeState(
  { project }: Pick<Paths, 'project'>,
  environment: NodeJS.ProcessEnv,
): Promise<CodeState> {
  const git = async (...args: string[]): Promise<string | undefined> => {
    const answer = await askProgram({ file: 'git', args: ['-C', project, ...args], environment });
    return answer?.status === 0 ? answer.stdout : undefined;
  };
  const commit = await git('rev-parse', '--verify', 'HEAD');
  if (commit === undefined) return { commit: null, patch: null };
  const patch = await git('diff', 'HEAD', '--binary', '--no-color', '--no-ext-diff', '--', '.', ...ownFiles);
  return { commit, patch: patch === undefined || patch === '' ? null : `${patch}\n` };
}
