// Images and files inside a request, from one dialect into the other.
import { untranslatable } from './translator.js';

type Block = Record<string, unknown>;

const dataUrl = /^data:(?<mediaType>[\w.+-]+\/[\w.+-]+);base64,(?<base64>[A-Za-z0-9+/=\s]*)$/;

export function anthropicImage(url: string, path: readonly PropertyKey[]): Block {
  const inline = dataUrl.exec(url)?.groups;
  if (inline) return { type: 'image', source: base64Source(inline) };
  if (url.startsWith('https://')) return { type: 'image', source: { type: 'url', url } };
  throw untranslatable(path, 'it must be data:TYPE;base64,... or begin with https://');
}

export function anthropicFile(
  file: { file_data: string; filename?: string | undefined },
  path: readonly PropertyKey[],
): Block {
  const inline = dataUrl.exec(file.file_data)?.groups;
  if (inline?.['mediaType'] !== 'application/pdf')
    throw untranslatable(path, 'only PDF files, as data:application/pdf;base64,...');
  const title = file.filename === undefined ? {} : { title: file.filename };
  return { type: 'document', source: base64Source(inline), ...title };
}

export type AnthropicSource =
  | { type: 'base64'; media_type: string; data: string }
  | { type: 'url'; url: string }
  | { type: 'text'; media_type: 'text/plain'; data: string };

/** The address under which OpenAI's image parts take it. */
export function openAiUrl(source: Exclude<AnthropicSource, { type: 'text' }>): string {
  return source.type === 'url' ? source.url : `data:${source.media_type};base64,${source.data}`;
}

function base64Source({ mediaType, base64 }: Record<string, string>): Block {
  return { type: 'base64', media_type: mediaType, data: base64 };
}
