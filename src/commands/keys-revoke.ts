// `mlx keys revoke KEY`: no request with it is taken any more. Touches the ledger, and tells the running gateway.
import { keyText } from '../gateway/keys/describe.js';
import { findKey } from '../gateway/keys/find.js';
import { tellGateway } from '../gateway/keys/tell.js';
import { listKeys, revokeKey } from '../ledger/keys.js';
import { outcome } from '../output/output.js';
import type { CommandModule } from '../program.js';

export const define: CommandModule['define'] = (command) => {
  command.argument('<key>', 'its id, or its name');
  command.addHelpText(
    'after',
    `
The running gateway refuses it at once; one that cannot be told does so within a second. Requests under way finish.

Examples:
  mlx keys revoke k7m2p9x4qa
  mlx keys revoke billing-app`,
  );
};

export const run: CommandModule['run'] = async (context, [wanted = '']) => {
  const ledger = await context.ledger();
  const { id, name, revokedAtMs } = findKey(listKeys(ledger), wanted);
  const revoked = { key: id, name, alreadyRevoked: revokedAtMs !== null };
  if (context.flags.dryRun)
    return outcome({ dryRun: true, ...revoked }, () => `Would revoke ${keyText({ id, name })}.`);
  revokeKey(ledger, id, context.now().getTime());
  const gatewayKnows = await tellGateway(context.paths().sockets);
  return outcome({ ...revoked, gatewayKnows }, ({ alreadyRevoked }) =>
    alreadyRevoked ? `Key ${keyText({ id, name })} was revoked before.` : `Key ${keyText({ id, name })} is revoked.`,
  );
};
