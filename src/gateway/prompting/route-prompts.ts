// What is to be said of the prompts that routes name, before the first request meets them: a prompt that is not there or wrong, and
// variables that every request has to fill.
import type { RouteConfig } from '../../config/route-schema.js';
import { MlxError } from '../../errors.js';
import { loadPrompt } from '../../prompts/load.js';

/** One line for each prompt of a route that somebody should know of. */
export async function routePromptNotes(
  routes: readonly Pick<RouteConfig, 'name' | 'prompt'>[],
  folder: string,
): Promise<string[]> {
  const notes = routes.map(async ({ name, prompt }) => {
    return prompt === undefined ? undefined : noteOf(name, prompt, folder);
  });
  return (await Promise.all(notes)).filter((note) => note !== undefined);
}

async function noteOf(route: string, name: string, folder: string): Promise<string | undefined> {
  try {
    const { variables } = await loadPrompt(folder, name);
    const open = variables.filter((variable) => variable.default === undefined).map((variable) => variable.name);
    if (open.length === 0) return undefined;
    const example = `"prompt": {"variables": {"${open[0] ?? ''}": ...}}`;
    return `Nothing but a request fills ${open.join(', ')} of the prompt ${name} of the route ${route}: one without ${example} is refused.`;
  } catch (error) {
    if (!(error instanceof MlxError)) throw error;
    return `Every request to the route ${route} is refused: ${error.message} See it: mlx prompts show ${name}`;
  }
}
