// The one type behind which containers and plain processes look alike. Nothing above this folder knows which runs.
/** A name for each image in compose/images and each hashed lock in recipes/requirements. */
export type RuntimeName = 'trainer' | 'server' | 'mlflow';

export type EngineKind = 'docker' | 'host';

/** A runtime that is ready to use: an image (its id), or a venv (the hash of its lock). */
export type Runtime = { name: RuntimeName; id: string; reference: string };

/** What is known of a runtime without preparing it. */
export type RuntimeDescription = {
  /** What it is made from: `trainer.txt@3f9a...`, or the name of an image, which its inputs give it. */
  reference: string;
  /** As in `Runtime`; undefined while it is not on this machine, as the two below. */
  id: string | undefined;
  python: string | undefined;
  /** Versions by package, under normalised names. */
  installed: Record<string, string> | undefined;
};

export type OldRuntime = { id: string; sizeBytes: number };

/** Progress of long work: a line for people; `fraction` (0 to 1) when known. */
export type OnProgress = (line: string, fraction?: number) => void;

/** A folder or file that a job sees. In `argv` and `environment`, `{NAME}` stands for where the job finds it. */
export type Mount = { name: string; source: string; writable: boolean };

/** `none`: no network at all (a sealed job). `outside`: may reach the outside, for downloads alone. */
export type JobNetwork = 'none' | 'outside';

export type Job = {
  /** Unique; the container's name and the label of the process: a run id, or `pull-...`. */
  id: string;
  runtime: RuntimeName;
  /** Exactly this runtime, by its id, instead of today's. */
  runtimeId?: string | undefined;
  /** `['train.py', '--spec', '{spec}']`: the first word is a script of recipes/trainer. */
  argv: string[];
  mounts: Mount[];
  environment: Record<string, string>;
  network: JobNetwork;
  gpu: boolean;
};

export type JobStreams = { onStdout: (line: string) => void; onStderr: (line: string) => void; signal: AbortSignal };

/** How far the job was kept from the network: by a container, a network namespace, or only by offline variables. */
export type Seal = 'container' | 'namespace' | 'environment' | 'none';

export type JobExit = { status: number | null; signal: string | null; outOfMemory: boolean; seal: Seal };

/** What a model version is made of, before it is an image. */
export type VersionContents = {
  /** For example `tickets`; the image is `mlx/tickets:v1`. */
  model: string;
  version: number;
  /** Files by their path in the image below /mlx/version, in any order: `adapter/...`, `settings.json`, `model-card.md`. */
  files: { path: string; source: string }[];
  labels: Record<string, string>;
};

/** The digest is the truth; tags are labels that point at it. */
export type VersionImage = { digest: string; tags: string[]; labels: Record<string, string>; sizeBytes: number };

export type ServerSpec = {
  /** Unique in the project and new for each start: `tickets-v1-3f9a`. */
  id: string;
  model: string;
  version: number;
  digest: string;
  /** Folder of the verified base model in MLX_HOME. */
  baseModel: string;
  gpu: boolean;
  /** From the recipe's serving profile: `max_model_len`, `max_lora_rank`, ... */
  settings: Record<string, string | number | boolean>;
  /** A server that runs and gets the version's adapter beside its own, instead of a new one. Only where `swapObstacle` is null. */
  into?: string;
};

export type ServerState = 'starting' | 'running' | 'exited';

/** One version that is served. Several share a server where adapters were loaded into it: each has its own id and is stopped alone. */
export type ModelServer = {
  id: string;
  /** The server in whose memory it is, and the version that this one was started for. Left out: its own. */
  carrier?: { id: string; version: number };
  /** What it answers to. */
  servedName: string;
  model: string;
  version: number;
  digest: string;
  state: ServerState;
  /** `unix:/path/to/socket`. */
  address: string;
  /** Milliseconds since the epoch. */
  startedAtMs: number;
  /** Exit status when `exited`, if known. */
  exitStatus: number | null;
  /** It ended, and the engine starts it again by itself. */
  restarting?: boolean;
  /** How often it did so in its whole life: of a server with others' adapters, also before they were loaded. Left out: nobody counts. */
  restarts?: number;
};

export type MemoryUse = {
  usedBytes: number;
  /** The most that it may use; null: no limit. */
  limitBytes: number | null;
  freeBytes: number;
  of: 'machine' | 'gpu';
};

/** A stack service such as MLflow. */
export type ServiceSpec = { name: 'mlflow'; port: number; dataFolder: string };

export type ServiceState = {
  name: string;
  state: 'running' | 'starting' | 'unhealthy' | 'exited' | 'absent';
  address: string | undefined;
  /** Image id or venv reference. */
  runtime: string | undefined;
  startedAtMs: number | undefined;
};

/** For a job that is asked to stop: to finish its step and save a checkpoint. compose/train.yaml says it too. */
export const checkpointGraceMs = 300_000;

export type LogOptions = { follow: boolean; lines: number; signal: AbortSignal };

export type Engine = {
  kind: EngineKind;
  /** Version text for people: `Docker Engine 26.1.5, Compose 2.26.1` or `host (uv 0.13.8)`. */
  description: string;

  prepareRuntime: (name: RuntimeName, onProgress: OnProgress, signal: AbortSignal) => Promise<Runtime>;
  /**
   * What is there, or would be: builds and downloads nothing.
   * @param id a certain one, of an earlier version of mlx perhaps, instead of today's
   */
  describeRuntime: (name: RuntimeName, id?: string) => Promise<RuntimeDescription>;
  /** Those that this version of mlx does not use, without the ones in `keep`. */
  oldRuntimes: (keep: readonly string[]) => Promise<OldRuntime[]>;
  removeRuntime: (id: string) => Promise<void>;

  /** Runs to the end. Aborting the signal sends SIGTERM once; the job saves a checkpoint and exits 130. */
  runJob: (job: Job, streams: JobStreams) => Promise<JobExit>;
  /** Ends what is left of a job whose owner died. True when something was there. */
  stopJob: (id: string) => Promise<boolean>;

  /** Same contents, same digest. Tags `mlx/MODEL:vN`; a tag that exists with another digest is an error (VERSION_EXISTS). */
  packageVersion: (contents: VersionContents, onProgress: OnProgress, signal: AbortSignal) => Promise<VersionImage>;
  /** Points `mlx/MODEL:TAG` at the digest. */
  tagVersion: (model: string, digest: string, tag: string) => Promise<void>;
  untagVersion: (model: string, tag: string) => Promise<void>;
  /** By `vN`, a tag or a digest; undefined when it is not there. */
  findVersion: (model: string, reference: string) => Promise<VersionImage | undefined>;

  /** Returns as soon as the process or container is started; readiness is serving/ready.ts's question. */
  startServer: (spec: ServerSpec, onProgress: OnProgress, signal: AbortSignal) => Promise<ModelServer>;
  /** The server ends with the last version that it serves. */
  stopServer: (id: string) => Promise<void>;
  /**
   * Whether a server comes up again by itself, when it fell over or the machine starts anew: not one that sleeps, which would take
   * the memory that another one lives on.
   */
  setRestart: (id: string, restarts: boolean) => Promise<void>;
  /** Why this version's adapter cannot be loaded into that running server; null: it can, as far as images tell. */
  swapObstacle: (serverId: string, digest: string) => Promise<string | null>;
  listServers: () => Promise<ModelServer[]>;
  /** What a running server uses, and what is free beside it: of the GPU where it uses one. null: cannot be told. */
  measureServer: (id: string) => Promise<MemoryUse | null>;

  /** Idempotent; returns when healthy, or throws SERVICE_UNHEALTHY with its last lines. */
  startService: (spec: ServiceSpec, onProgress: OnProgress, signal: AbortSignal) => Promise<ServiceState>;
  stopService: (name: string, options: { deleteData: boolean }) => Promise<void>;
  serviceState: (name: string) => Promise<ServiceState>;

  /** Lines of a service, a model server or a job, oldest first. */
  logs: (name: string, options: LogOptions) => AsyncIterable<string>;
};
