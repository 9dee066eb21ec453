// Which MLflow a run is mirrored to, if any. Pure.

export type MlflowSettings = { enabled: boolean; port: number; trackingUri: string | undefined; experiment: string };

export type MlflowAddress = {
  /** Without credentials and without a slash at the end. */
  uri: string;
  authorization: string | undefined;
  experiment: string;
  /** A person named this server: when it does not answer, they want to know. */
  chosen: boolean;
};

/** MLFLOW_TRACKING_URI, then mlx.yaml, then the MLflow that `mlx up` starts. Only servers: file and database stores are not ours to write. */
export function mlflowAddress(settings: MlflowSettings, environment: NodeJS.ProcessEnv): MlflowAddress | undefined {
  if (!settings.enabled) return undefined;
  const named = environment['MLFLOW_TRACKING_URI'] || settings.trackingUri;
  const text = named ?? `http://127.0.0.1:${settings.port}`;
  if (!URL.canParse(text) || !/^https?:/.test(text)) return undefined;
  const url = new URL(text);
  return {
    uri: `${url.origin}${url.pathname}`.replace(/\/+$/, ''),
    authorization: authorization(url, environment),
    experiment: environment['MLFLOW_EXPERIMENT_NAME'] || settings.experiment,
    chosen: named !== undefined,
  };
}

/** The variables are MLflow's own; a name and password in the address are honoured too, because fetch refuses them there. */
function authorization(url: URL, environment: NodeJS.ProcessEnv): string | undefined {
  const token = environment['MLFLOW_TRACKING_TOKEN'];
  if (token) return `Bearer ${token}`;
  const user = environment['MLFLOW_TRACKING_USERNAME'] || decodeURIComponent(url.username);
  const password = environment['MLFLOW_TRACKING_PASSWORD'] || decodeURIComponent(url.password);
  return user === '' ? undefined : `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
}
