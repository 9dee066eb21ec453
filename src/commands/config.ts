// mlx config: every setting, its value, and where that came from. Reads mlx.yaml and the environment; changes nothing.
import { explainConfig, type ExplainedSetting } from '../config/explain.js';
import { unreadVariables } from '../config/settings.js';
import { outcome } from '../output/output.js';
import { renderTable } from '../output/table.js';
import type { CommandModule } from '../program.js';

export const define: CommandModule['define'] = (command) => {
  command.addHelpText(
    'after',
    `
Examples:
  mlx config                       what counts, and where it came from
  MLX_GATEWAY_PORT=4700 mlx config a variable goes over mlx.yaml
  mlx config --json                with each setting's meaning and variables`,
  );
};

export const run: CommandModule['run'] = async (context) => {
  const { configFile } = context.paths();
  const settings = await explainConfig({ configFile }, context.environment, { engine: context.flags.engine });
  const unread = unreadVariables(context.environment);
  for (const { name, nearest } of unread) {
    context.output.note(
      `Nothing reads the variable ${name}.${nearest === undefined ? '' : ` Did you mean ${nearest}?`}`,
    );
  }
  const { columns } = context.output;
  const told = { file: configFile, settings, unreadVariables: unread.map(({ name }) => name) };
  return outcome(told, (value) => render(value.settings, columns));
};

function render(settings: readonly ExplainedSetting[], width: number): string {
  return renderTable(
    [
      { title: 'SETTING', cell: (setting) => setting.key },
      { title: 'VALUE', cell: (setting) => (setting.value === null ? '-' : String(setting.value)) },
      { title: 'FROM', cell: (setting) => setting.origin },
      { title: 'VARIABLE', cell: (setting) => setting.variables.join(', '), dropFirst: 2 },
      { title: 'MEANING', cell: (setting) => setting.description, dropFirst: 3 },
    ],
    settings,
    width,
  );
}
