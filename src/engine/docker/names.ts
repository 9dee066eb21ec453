// Names and labels by which containers, images and Compose projects of one mlx project are told from all others.

export const label = {
  project: 'mlx.project',
  /** A job's id: of a run, or `pull-...`. */
  job: 'mlx.run',
  server: 'mlx.server',
  service: 'mlx.service',
  runtime: 'mlx.runtime',
  model: 'mlx.model',
  version: 'mlx.version',
  /** Hash of everything that went into a runtime image. */
  inputs: 'mlx.inputs',
} as const;

/** Compose project of one job, server or service. Lower-case letters, digits, dashes and underscores are allowed. */
export function composeProject(projectId: string, id: string): string {
  return `mlx-${projectId}-${id.toLowerCase().replaceAll(/[^a-z0-9_-]/g, '-')}`;
}

export function versionReference(model: string, tag: string): string {
  return `mlx/${model}:${tag}`;
}

/** Filters of the Engine's API: containers and images that carry all these labels. */
export function labelFilters(labels: Record<string, string | undefined>): { label: string[] } {
  return { label: Object.entries(labels).map(([key, value]) => (value === undefined ? key : `${key}=${value}`)) };
}
