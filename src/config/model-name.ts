// What a model may be called: it becomes the name of an image, of a route and of folders.

/** A component of an image's name (https://github.com/distribution/reference), at most 63 characters. */
export const modelNamePattern = /^(?=.{1,63}$)[a-z0-9]+([._-][a-z0-9]+)*$/;

export const modelNameRule =
  'lower case letters and digits, with single dots, dashes or underscores between them; at most 63';

/** A folder's name as the name of a model. */
export function asModelName(text: string): string {
  const name = text
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, (marks) => (/^[._-]/.test(marks) ? marks.slice(0, 1) : '-'))
    .slice(0, 63)
    .replaceAll(/^[._-]|[._-]$/g, '');
  return name === '' ? 'my-model' : name;
}
