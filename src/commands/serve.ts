// `mlx serve`: makes sure that a version runs and has an address. Touches: a model server, a route, the gateway, the ledger.
import type { Context } from '../context.js';
import { outcome, verbatim } from '../output/output.js';
import type { CommandModule } from '../program.js';
import { actorName, gatewayActor, serverGone } from '../registry/actor.js';
import { openPromotionEdges } from '../registry/edges.js';
import { planPromotion } from '../registry/plan.js';
import { promote, type PromotionResult } from '../registry/promote.js';
import { promotionStatus, renderPlan, renderPromotion } from '../registry/report.js';
import { onlyModel, serveCandidate } from '../registry/targets.js';
import { readGolden } from '../serving/golden.js';

export const define: CommandModule['define'] = (command) => {
  command.argument(
    '[version]',
    'NAME (its production version, else its newest), NAME:VERSION or NAME@ALIAS; none: the only model',
  );
  command.addHelpText(
    'after',
    `
A model without a production version gets this one. Another version beside it gets an address of its own, NAME@vN.
Safe to repeat: it starts what is missing, for example after a reboot.

Examples:
  mlx serve tickets
  mlx serve tickets:2
  mlx serve tickets@staging`,
  );
};

export const run: CommandModule['run'] = async (context, [reference]) => {
  const ledger = await context.ledger();
  const candidate = serveCandidate(ledger, reference ?? onlyModel(ledger));
  const edges = await openPromotionEdges(context);
  // As mlx promote does: what is wrong in the file is told with its lines, before a server is started for it.
  readGolden(edges.goldenFile, candidate.version.model);
  if (context.flags.dryRun) return outcome(await planPromotion(edges, candidate, 'promote'), renderPlan);
  const actor = actorName(context.environment);
  const reason = actor === gatewayActor ? serverGone : 'mlx serve';
  const result = await promote(edges, { ...candidate, kind: 'promote', actor, reason });
  const served = { ...result, url: await baseUrl(context) };
  // What an application takes is copied as it is.
  return result.error === null
    ? verbatim(served, renderServed)
    : outcome(served, renderPromotion, promotionStatus(result));
};

async function baseUrl(context: Context): Promise<string> {
  return `http://127.0.0.1:${(await context.config()).gateway.port}/v1`;
}

function renderServed(served: PromotionResult & { url: string }): string {
  const body = JSON.stringify({ model: served.route, messages: [{ role: 'user', content: 'Hello' }] });
  return `${renderPromotion(served)}

address   ${served.url}
model     ${served.route}
key       mlx gateway key

curl ${served.url}/chat/completions -H "Authorization: Bearer $(mlx gateway key)" -H "Content-Type: application/json" \\
  -d '${body}'

export OPENAI_BASE_URL=${served.url} OPENAI_API_KEY=$(mlx gateway key)

from openai import OpenAI  # finds both variables
client = OpenAI()
client.chat.completions.create(model="${served.route}", messages=[{"role": "user", "content": "Hello"}])`;
}
