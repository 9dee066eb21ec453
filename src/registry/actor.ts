// Who does it, for the journal.
import { userInfo } from 'node:os';

export function actorName(environment: NodeJS.ProcessEnv): string {
  return environment['MLX_ACTOR'] ?? environment['SUDO_USER'] ?? loginName();
}

/** A container may run under a number that has no name. */
function loginName(): string {
  try {
    return userInfo().username;
  } catch {
    return `uid ${process.getuid?.() ?? 'unknown'}`;
  }
}
