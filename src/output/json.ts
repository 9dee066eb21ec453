// JSON for programs: field names are snake_case, one document or one object a line.

/** Converts the field names of plain objects, at any depth; values, and keys that are not camelCase identifiers, stay. */
export function toSnakeCase(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(toSnakeCase);
  if (value === null || typeof value !== 'object' || value instanceof Date) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [snakeCase(key), toSnakeCase(inner)]));
}

function snakeCase(key: string): string {
  return /^[a-z]+(?:[A-Z0-9][a-z0-9]*)+$/.test(key)
    ? key.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
    : key;
}
