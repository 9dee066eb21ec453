// Whether a safetensors file is whole: 8 bytes of header length, the header as JSON, and data as long as the header says.
// Format: https://github.com/huggingface/safetensors#format
import { open } from 'node:fs/promises';

import { z } from 'zod';

/** The reference implementation's own limit. */
const longestHeaderBytes = 100_000_000;

const headerSchema = z.record(
  z.string(),
  z.union([
    z.object({ dtype: z.string(), shape: z.array(z.number()), data_offsets: z.tuple([z.number(), z.number()]) }),
    z.record(z.string(), z.string()),
  ]),
);

/** @returns what is wrong with it, or undefined */
export async function safetensorsProblem(file: string): Promise<string | undefined> {
  const opened = await open(file, 'r');
  try {
    const { size } = await opened.stat();
    if (size < 10) return 'is too short to be a safetensors file';
    const prefix = Buffer.alloc(8);
    await opened.read(prefix, 0, 8, 0);
    const headerBytes = Number(prefix.readBigUInt64LE());
    if (headerBytes < 2 || headerBytes > longestHeaderBytes || 8 + headerBytes > size) {
      return 'is no safetensors file: its header has an impossible length';
    }
    const header = Buffer.alloc(headerBytes);
    await opened.read(header, 0, headerBytes, 8);
    return headerProblem(header.toString('utf8'), size - 8 - headerBytes);
  } finally {
    await opened.close();
  }
}

function headerProblem(text: string, dataBytes: number): string | undefined {
  const header = headerSchema.safeParse(parseJson(text)).data;
  if (header === undefined) return 'is no safetensors file: its header is not the JSON that belongs there';
  let end = 0;
  for (const tensor of Object.values(header)) {
    if (!Array.isArray(tensor['data_offsets'])) continue;
    const [from, to] = tensor['data_offsets'];
    if (from < 0 || to < from) return 'is no safetensors file: a tensor has impossible bounds';
    end = Math.max(end, to);
  }
  if (end === dataBytes) return undefined;
  return end > dataBytes
    ? `is cut short: ${end - dataBytes} bytes are missing`
    : `has ${dataBytes - end} bytes that belong to no tensor`;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
