// What a job or server of ours sees of the person's environment: named variables only, and secrets only where there is a network. Pure.
import { delimiter, join } from 'node:path';

/** Where programs, temporary files, languages and devices are. */
const harmless =
  /^(PATH|HOME|USER|LOGNAME|SHELL|LANG|LC_.*|TZ|TMPDIR|TMP|TEMP|LD_LIBRARY_PATH|DYLD_LIBRARY_PATH|CUDA_.*|NVIDIA_.*|NCCL_.*|OMP_.*|MKL_.*|OPENBLAS_.*|TORCH_.*|PYTORCH_.*|VLLM_.*|TRITON_.*|CC|CXX|XDG_RUNTIME_DIR)$/;

/** What a download needs: the hub, its token, proxies and certificate authorities. */
const download =
  /^(HF_.*|HUGGING_FACE_HUB_TOKEN|HTTPS?_PROXY|https?_proxy|ALL_PROXY|all_proxy|NO_PROXY|no_proxy|SSL_CERT_FILE|SSL_CERT_DIR|REQUESTS_CA_BUNDLE|CURL_CA_BUNDLE|XDG_CACHE_HOME)$/;

const secret = /^(HF_TOKEN|HUGGING_FACE_HUB_TOKEN)$/;

const python = {
  PYTHONDONTWRITEBYTECODE: '1',
  PYTHONUNBUFFERED: '1',
  PYTHONNOUSERSITE: '1',
  PYTHONUTF8: '1',
  HF_HUB_DISABLE_TELEMETRY: '1',
  DO_NOT_TRACK: '1',
};

const offline = { HF_HUB_OFFLINE: '1', TRANSFORMERS_OFFLINE: '1', HF_DATASETS_OFFLINE: '1' };

export type Surroundings = {
  /** mlx's own environment. */
  own: NodeJS.ProcessEnv;
  /** Folder of the virtual environment. */
  venv: string;
  network: 'none' | 'outside';
  gpu: boolean;
};

/** `asked` is what the caller wants on top; a token in it reaches no sealed program either. */
export function programEnvironment(around: Surroundings, asked: Record<string, string> = {}): NodeJS.ProcessEnv {
  const sealed = around.network === 'none';
  const kept = Object.entries(around.own).filter(([name]) => harmless.test(name) || (!sealed && download.test(name)));
  const wanted = Object.entries(asked).filter(([name]) => !sealed || !secret.test(name));
  return {
    ...Object.fromEntries(kept),
    ...python,
    ...(sealed ? offline : {}),
    ...Object.fromEntries(wanted),
    ...(around.gpu ? {} : { CUDA_VISIBLE_DEVICES: '' }),
    VIRTUAL_ENV: around.venv,
    PATH: [join(around.venv, 'bin'), around.own['PATH'] ?? '/usr/bin:/bin'].join(delimiter),
  };
}
