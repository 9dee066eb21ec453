// Whether this machine has an NVIDIA GPU that its driver can use.
import { askProgram } from './exec.js';

let seen: Promise<boolean> | undefined;

/** Asked once. */
export function seesGpu(environment: NodeJS.ProcessEnv): Promise<boolean> {
  seen ??= askProgram({ file: 'nvidia-smi', args: ['--list-gpus'], environment }).then(
    (answer) => answer?.status === 0 && answer.stdout.startsWith('GPU '),
  );
  return seen;
}
