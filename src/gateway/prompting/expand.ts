// A question that names a prompt, or goes to a route with one, becomes the question with that prompt in it. The prompt's name and
// hash go into the traffic log.
import { z } from 'zod';

import { MlxError } from '../../errors.js';
import { renderPrompt } from '../../prompts/render.js';
import { refuse, type GatewayRequest, type GatewayResponse } from '../exchange.js';
import type { Question } from '../question.js';
import { promptField, withPrompt } from './apply.js';
import type { FindPrompt } from './store.js';

const fieldSchema = z.strictObject({
  name: z.string().optional(),
  variables: z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.array(z.string())])).default({}),
});

export type ExpandPrompt = (request: GatewayRequest, question: Question) => Promise<Question | GatewayResponse>;

/** @param promptOf the prompt of a route: `prompt: NAME` in mlx.yaml */
export function promptExpander(find: FindPrompt, promptOf: (route: string) => string | undefined): ExpandPrompt {
  return async (request, question) => {
    const ofRoute = promptOf(question.model);
    const written: unknown = question.fields[promptField];
    if (ofRoute === undefined && written === undefined) return question;
    const field = fieldSchema.safeParse(written ?? {});
    if (!field.success) {
      return invalid(
        request,
        'must be {"name": NAME, "variables": {NAME: text, number, true or false, or a list of texts}}',
      );
    }
    const name = ofRoute ?? field.data.name;
    if (name === undefined) return invalid(request, 'names no prompt, and neither does the route');
    if (field.data.name !== undefined && field.data.name !== name) {
      return invalid(request, `names another prompt than the route, which always takes '${name}'`);
    }
    return expanded(request, question, find, name, field.data.variables);
  };
}

async function expanded(
  request: GatewayRequest,
  question: Question,
  find: FindPrompt,
  name: string,
  variables: z.infer<typeof fieldSchema>['variables'],
): Promise<Question | GatewayResponse> {
  try {
    const prompt = await find(name);
    const fields = withPrompt(question.fields, question.operation, renderPrompt(prompt, variables), prompt.parameters);
    if (fields === undefined)
      return invalid(request, `cannot be used with ${question.operation}: it takes no messages`);
    request.trace.prompt = `${name}@${prompt.sha256.slice(0, 12)}`;
    return { ...question, fields, body: Buffer.from(JSON.stringify(fields)) };
  } catch (error) {
    if (!(error instanceof MlxError)) throw error;
    if (error.code === 'PROMPT_VARIABLES') return invalid(request, `does not fit. ${error.message}`);
    if (error.code === 'PROMPT_NOT_FOUND')
      return invalid(request, `names '${name.slice(0, 100)}', which this project does not have`);
    return unusable(request, name, error);
  }
}

function invalid(request: GatewayRequest, why: string): GatewayResponse {
  return refuse(request, {
    status: 400,
    type: 'invalid_request_error',
    code: 'invalid_prompt',
    param: promptField,
    message: `"${promptField}" ${why}`,
  });
}

/** What is wrong with a file is for its owner. */
function unusable(request: GatewayRequest, name: string, error: MlxError): GatewayResponse {
  request.trace.failure = `${error.code} ${name}`;
  return refuse(request, {
    status: 500,
    type: 'server_error',
    code: 'prompt_unusable',
    message: `The prompt '${name}' cannot be used. What is wrong with it: mlx prompts show ${name}`,
  });
}
