// `mlx keys rotate KEY`: a new secret under the same id, limits and use. Touches the ledger, and tells the running gateway.
import { MlxError } from '../errors.js';
import { keyText } from '../gateway/keys/describe.js';
import { findKey } from '../gateway/keys/find.js';
import { makeKey } from '../gateway/keys/secret.js';
import { tellGateway } from '../gateway/keys/tell.js';
import { addSecret, listKeys } from '../ledger/keys.js';
import { formatAhead } from '../output/numbers.js';
import { readSpan } from '../output/spans.js';
import { outcome } from '../output/output.js';
import type { CommandModule } from '../program.js';

export const define: CommandModule['define'] = (command) => {
  command
    .argument('<key>', 'its id, or its name')
    .option('--grace <time>', 'how long the old secret is taken too: 30m, 24h, 7d, or 0', '24h');
  command.addHelpText(
    'after',
    `
The key keeps its id, its limits and what was used of them. The new secret is shown once.

Examples:
  mlx keys rotate billing-app
  mlx keys rotate k7m2p9x4qa --grace 0`,
  );
};

export const run: CommandModule['run'] = async (context, [wanted = ''], flags) => {
  const graceMs = readSpan(String(flags['grace']), '--grace');
  const ledger = await context.ledger();
  const { id, name, revokedAtMs } = findKey(listKeys(ledger), wanted);
  const text = keyText({ id, name });
  if (revokedAtMs !== null) {
    throw new MlxError('KEY_REVOKED', `Key ${text} was revoked; it gets no new secret.`, {
      hint: 'Make a new one: mlx keys create NAME',
    });
  }
  const nowMs = context.now().getTime();
  const oldSecretUntilMs = nowMs + graceMs;
  if (context.flags.dryRun) {
    return outcome({ dryRun: true, key: id, oldSecretUntilMs }, () => `Would give ${text} a new secret.`);
  }
  const fresh = makeKey(id);
  addSecret(ledger, id, fresh.sha256, nowMs, oldSecretUntilMs);
  const gatewayKnows = await tellGateway(context.paths().sockets);
  return outcome({ key: id, secret: fresh.text, oldSecretUntilMs, gatewayKnows }, (made) => {
    context.output.note(`${oldSecretText(text, nowMs, oldSecretUntilMs)} The new one, shown this once:`);
    return made.secret;
  });
};

function oldSecretText(key: string, nowMs: number, untilMs: number): string {
  if (untilMs <= nowMs) return `The old secret of ${key} is no longer taken.`;
  return `The old secret of ${key} is taken for ${formatAhead(untilMs, nowMs)} more, until ${new Date(untilMs).toISOString()}.`;
}
