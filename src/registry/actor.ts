// Who does it, for the journal.
import { userInfo } from 'node:os';

/** Of what nobody typed: the gateway's own commands. No login name has a space in it. */
export const gatewayActor = 'mlx gateway';

/** Kept with the release of a server that was started again though nobody asked for it. */
export const serverGone = 'its model server was gone';

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
