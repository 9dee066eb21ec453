// One spelling for a Python package, whoever names it. Pure.

/** https://packaging.python.org/en/latest/specifications/name-normalization/ */
export function packageName(name: string): string {
  return name.toLowerCase().replaceAll(/[-_.]+/g, '-');
}
