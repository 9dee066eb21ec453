// Small safetensors files with known tensors.
export type Values = { dtype: 'F32' | 'BF16' | 'F16' | 'F64' | 'U8'; values: number[] };

export function weightsFile(tensors: Record<string, Values>): Buffer {
  const header: Record<string, unknown> = { __metadata__: { format: 'pt' } };
  const parts: Buffer[] = [];
  let offset = 0;
  for (const [name, { dtype, values }] of Object.entries(tensors)) {
    const bytes = encode(dtype, values);
    header[name] = { dtype, shape: [values.length], data_offsets: [offset, offset + bytes.length] };
    parts.push(bytes);
    offset += bytes.length;
  }
  const text = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  return Buffer.concat([length, text, ...parts]);
}

function encode(dtype: Values['dtype'], values: number[]): Buffer {
  if (dtype === 'F32') return Buffer.from(Float32Array.from(values).buffer);
  if (dtype === 'F64') return Buffer.from(Float64Array.from(values).buffer);
  if (dtype === 'U8') return Buffer.from(values);
  // 16-bit formats are given as their bits.
  return Buffer.from(Uint16Array.from(values).buffer);
}
