// `mlx gateway key`: prints the key that clients send; makes it when there is none yet. Touches .mlx/secrets/gateway-key.
import { gatewayKey } from '../gateway/key.js';
import { outcome } from '../output/output.js';
import type { CommandModule } from '../program.js';

export const define: CommandModule['define'] = (command) => {
  command.addHelpText(
    'after',
    `
Examples:
  mlx gateway key
  export OPENAI_BASE_URL=http://127.0.0.1:4600/v1 OPENAI_API_KEY=$(mlx gateway key)`,
  );
};

export const run: CommandModule['run'] = async (context) => {
  const key = gatewayKey(context.paths().secrets);
  return outcome({ key }, (value) => value.key);
};
