// JSON inside a text (the arguments of a tool call, what a tool answered): its strings and numbers are rewritten in place,
// so that escapes hide nothing and everything else stays as it was written.

/** @returns the text that takes the place of `text`; the same when nothing is to change. `label`: the key before it. */
export type Rewrite = (text: string, label: string) => string;

/** JSON in JSON in JSON; deeper nesting is read as plain text. */
const deepest = 6;
const token = /"[^"\\]*(?:\\.[^"\\]*)*"|-?\d[\d.eE+-]*/g;

export function rewriteText(text: string, label: string, rewrite: Rewrite, depth = 0): string {
  return depth < deepest && isJson(text) ? rewriteTokens(text, label, rewrite, depth) : rewrite(text, label);
}

function rewriteTokens(json: string, label: string, rewrite: Rewrite, depth: number): string {
  let key = label;
  return json.replaceAll(token, (written, offset: number) => {
    const isKey = /^\s*:/.test(json.slice(offset + written.length, offset + written.length + 64));
    const value = written.startsWith('"') ? (JSON.parse(written) as string) : written;
    const rewritten = isKey ? rewrite(value, '') : rewriteText(value, key, rewrite, depth + 1);
    if (isKey) key = value;
    // A number that is replaced becomes a string.
    return rewritten === value ? written : JSON.stringify(rewritten);
  });
}

function isJson(text: string): boolean {
  if (!/^\s*[[{"]/.test(text)) return false;
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
