// Puts the places where a job finds its mounts into its argv and environment: `{NAME}` becomes a path.
import type { Job, Mount } from './engine.js';

export type PlacedJob = { argv: string[]; environment: Record<string, string> };

/** `locationOf` says where the engine shows a mount to the job: the folder itself on the host, a path inside a container. */
export function placeMounts(
  job: Pick<Job, 'argv' | 'environment' | 'mounts'>,
  locationOf: (mount: Mount) => string,
): PlacedJob {
  const locations = new Map(job.mounts.map((mount) => [mount.name, locationOf(mount)]));
  const place = (text: string) => replaceNames(text, locations);
  return {
    argv: job.argv.map(place),
    environment: Object.fromEntries(Object.entries(job.environment).map(([key, value]) => [key, place(value)])),
  };
}

/** Braces around anything but a mount's name stay as they are: values may be JSON. */
function replaceNames(text: string, locations: Map<string, string>): string {
  return text.replaceAll(/\{([a-z][a-z0-9_-]*)\}/g, (whole, name: string) => locations.get(name) ?? whole);
}
