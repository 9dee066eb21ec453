// The shape of OpenAI's errors: https://platform.openai.com/docs/guides/error-codes

export type ApiError = { error: { message: string; type: string; param: string | null; code: string } };

export function apiError(error: { message: string; type: string; code: string; param?: string }): ApiError {
  return { error: { message: error.message, type: error.type, param: error.param ?? null, code: error.code } };
}

/** The last event of a stream that broke: OpenAI's clients raise it as an error instead of taking the part for the whole. */
export function errorEvent(error: { message: string; type: string; code: string }): Buffer {
  return Buffer.from(`data: ${JSON.stringify(apiError(error))}\n\n`);
}
