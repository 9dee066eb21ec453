// What both engines are opened with.
import type { Paths } from '../config/paths.js';
import type { Config } from '../config/schema.js';

export type EngineSettings = { paths: Paths; config: Config; environment: NodeJS.ProcessEnv };
