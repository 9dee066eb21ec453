// The name under which a version shares its model server with another one is nobody's business: clients read the model's.
import type { Passage } from './stages.js';

/** Inside a JSON text every quote is escaped: what looks like the field is the field, and never part of an answer. */
export function modelNamePassage(servedName: string, model: string): Passage {
  const forms = ['"model":"', '"model": "'].map((start) => ({
    from: Buffer.from(`${start}${servedName}"`),
    to: Buffer.from(`${start}${model}"`),
  }));
  return {
    push: (bytes) => forms.reduce((passing, { from, to }) => replaced(passing, from, to), bytes),
    end: () => Buffer.alloc(0),
  };
}

function replaced(bytes: Buffer, from: Buffer, to: Buffer): Buffer {
  const parts: Buffer[] = [];
  let begin = 0;
  for (let at = bytes.indexOf(from); at !== -1; at = bytes.indexOf(from, begin)) {
    parts.push(bytes.subarray(begin, at), to);
    begin = at + from.length;
  }
  return begin === 0 ? bytes : Buffer.concat([...parts, bytes.subarray(begin)]);
}
