// `mlx keys create`: makes a key for a client of the gateway. Touches the ledger, and tells the running gateway.
import pc from 'picocolors';

import { readWholeNumber } from '../config/whole-number.js';
import type { Context } from '../context.js';
import { MlxError } from '../errors.js';
import { describeLimits } from '../gateway/keys/describe.js';
import { looksSecret } from '../gateway/keys/find.js';
import { makeKey } from '../gateway/keys/secret.js';
import { tellGateway } from '../gateway/keys/tell.js';
import { insertKey, listKeys, type Limits } from '../ledger/keys.js';
import { write, type Ledger } from '../ledger/open.js';
import { listRoutes } from '../ledger/promotions.js';
import { outcome } from '../output/output.js';
import type { CommandModule } from '../program.js';

export const define: CommandModule['define'] = (command) => {
  command
    .argument('<name>', 'for people: billing-app')
    .option('--tenant <tenant>', 'whom its requests are counted for')
    .option(
      '--feature <names>',
      'what they are counted for; of several, x-mlx-feature chooses and the first is taken without it',
    )
    .option('--models <names>', 'only these, by the names of their routes (mlx routes ls): tickets,gpt-5.4')
    .option('--budget-day-usd <usd>', 'at most so much a day (UTC)')
    .option('--budget-month-usd <usd>', 'at most so much a month (UTC)')
    .option('--tokens-day <count>', 'at most so many tokens a day')
    .option('--tokens-month <count>', 'at most so many tokens a month')
    .option('--requests-per-minute <count>', 'at most so many requests in any minute')
    .option('--tokens-per-minute <count>', 'at most so many tokens in any minute');
  command.addHelpText(
    'after',
    `
The key is shown once; only a hash of it is kept. A client sends it as "Authorization: Bearer KEY" or "x-api-key: KEY".
Without --feature a client may name any in the header x-mlx-feature. A name is one key's until that is revoked.

Examples:
  mlx keys create billing-app --tenant acme --feature invoices --budget-day-usd 5
  export OPENAI_API_KEY=$(mlx keys create ci --models tickets --requests-per-minute 60 --json | jq -r .secret)`,
  );
};

export const run: CommandModule['run'] = async (context, [name = ''], flags) => {
  const wanted = readWanted(name, flags);
  await warnOfNoRoute(context, wanted.models);
  await warnOfNoPrice(context, wanted.limits);
  const ledger = await context.ledger();
  requireFreeName(ledger, wanted.name);
  if (context.flags.dryRun) {
    return outcome({ dryRun: true, ...wanted }, () => `Would make the key ${wanted.name}${limitsText(wanted.limits)}.`);
  }
  const fresh = makeKey();
  write(ledger, () => {
    // Again, with nobody else at it: of two commands at once one makes the key.
    requireFreeName(ledger, wanted.name);
    insertKey(ledger, { ...wanted, id: fresh.id, sha256: fresh.sha256, createdAtMs: context.now().getTime() });
  });
  const gatewayKnows = await tellGateway(context.paths().sockets);
  const made = { key: fresh.id, secret: fresh.text, ...wanted, gatewayKnows };
  return outcome(made, (value) => renderMade(value, context));
};

/** By its name or id a key is rotated and revoked: two of them could be neither. @throws MlxError KEY_EXISTS, USAGE */
function requireFreeName(ledger: Ledger, name: string): void {
  const keys = listKeys(ledger);
  if (keys.some(({ id }) => id === name)) {
    throw new MlxError('USAGE', `There is a key with the id ${name}: no other can have that as its name.`, {
      hint: 'Take another name, such as billing-app',
    });
  }
  const holder = keys.find((key) => key.name === name && key.revokedAtMs === null);
  if (!holder) return;
  const made = new Date(holder.createdAtMs).toISOString().slice(0, 10);
  throw new MlxError('KEY_EXISTS', `There is a key named ${name} already: ${holder.id}, made ${made}.`, {
    hint: `Give it a new secret: mlx keys rotate ${name}, or end it first: mlx keys revoke ${name}`,
  });
}

/** A warning alone: a key may be made before its model is served. */
async function warnOfNoRoute(context: Context, models: readonly string[]): Promise<void> {
  if (models.length === 0) return;
  const { routes } = await context.config();
  const served = listRoutes(await context.ledger());
  const known = [...new Set([...routes, ...served].map(({ name }) => name))].sort();
  const unknown = models.filter((model) => !known.includes(model));
  if (unknown.length === 0) return;
  const there = known.length === 0 ? 'there is none yet' : `there are ${known.join(', ')}`;
  const line = `No route is named ${unknown.join(' or ')}; ${there}. The key is for what will be served under that name.`;
  context.output.note(pc.yellow(line));
}

type Wanted = { name: string; tenant: string | null; features: string[]; models: string[]; limits: Limits };

function readWanted(name: string, flags: Record<string, unknown>): Wanted {
  const text = (flag: string): string | undefined => flags[flag] as string | undefined;
  const features = splitNames(text('feature')).map((feature) => checkName(feature, '--feature'));
  const tenant = text('tenant');
  return {
    name: checkKeyName(name),
    tenant: tenant === undefined ? null : checkName(tenant, '--tenant'),
    features,
    models: splitNames(text('models')),
    limits: {
      usdPerDay: readUsd(text('budgetDayUsd'), '--budget-day-usd'),
      usdPerMonth: readUsd(text('budgetMonthUsd'), '--budget-month-usd'),
      tokensPerDay: readCount(text('tokensDay'), '--tokens-day'),
      tokensPerMonth: readCount(text('tokensMonth'), '--tokens-month'),
      requestsPerMinute: readCount(text('requestsPerMinute'), '--requests-per-minute'),
      tokensPerMinute: readCount(text('tokensPerMinute'), '--tokens-per-minute'),
    },
  };
}

function splitNames(text: string | undefined): string[] {
  return [...new Set((text ?? '').split(',').map((part) => part.trim()))].filter((part) => part !== '');
}

/** Does not repeat it: it may be a secret that was pasted. */
function checkKeyName(name: string): string {
  if (!looksSecret(name)) return checkName(name, 'The name of a key');
  throw new MlxError('USAGE', 'The name of a key cannot begin with mlx_, as a secret does.', {
    hint: 'Take another name, such as billing-app',
  });
}

function checkName(name: string, flag: string): string {
  if (/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(name)) return name;
  throw new MlxError('USAGE', `${flag} takes 1 to 64 letters, digits, dots, dashes and underscores, not '${name}'.`);
}

function readUsd(text: string | undefined, flag: string): number | null {
  if (text === undefined) return null;
  const usd = Number(text);
  if (text.trim() !== '' && Number.isFinite(usd) && usd >= 0) return usd;
  throw new MlxError('USAGE', `${flag} takes an amount in dollars such as 2.50, not '${text}'.`);
}

function readCount(text: string | undefined, flag: string): number | null {
  if (text === undefined) return null;
  return readWholeNumber(text, flag, { from: 1, hint: 'See them all: mlx keys create --help' });
}

/** Nothing is a price of nothing: a budget that looks as if it held. */
async function warnOfNoPrice(context: Context, { usdPerDay, usdPerMonth }: Limits): Promise<void> {
  const { hardwareUsdPerHour } = (await context.config()).gateway.metering;
  if (hardwareUsdPerHour !== undefined || (usdPerDay === null && usdPerMonth === null)) return;
  context.output.note(
    'Your own models cost nothing as long as mlx.yaml names no price for this machine (gateway.hardware.usd_per_hour): of a budget in dollars they use up nothing. --tokens-day counts them.',
  );
}

function renderMade(
  made: Wanted & { key: string; secret: string; gatewayKnows: boolean },
  { output }: Context,
): string {
  output.note(`Key ${made.name} (${made.key})${limitsText(made.limits)}. Its secret is shown this once:`);
  return made.secret;
}

function limitsText(limits: Limits): string {
  const text = describeLimits(limits);
  return text === '' ? ' without limits' : `: ${text}`;
}
