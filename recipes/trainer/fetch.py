"""Downloads one commit of a model repository through huggingface_hub: safetensors, tokenizer, configuration, template.

    python fetch.py --repository ORG/NAME --revision REV --out DIR

HF_TOKEN, HF_ENDPOINT and proxies are huggingface_hub's own. A second call goes on where the first one ended. Code and
pickles are never fetched; a repository that needs them is refused. Events on stdout: docs/trainer-contract.md.
"""

import argparse
import fnmatch
import hashlib
import json
import os
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from events import Events
from failures import TrainerError, first_line, is_disk_full

if TYPE_CHECKING:
    from huggingface_hub.hf_api import RepoSibling

# What a model needs to be trained and served. Everything else stays where it is.
WANTED = (
    "*.safetensors",
    "*.safetensors.index.json",
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer.model",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "vocab.txt",
    "merges.txt",
    "chat_template.*",
)
PROGRESS_EVERY_S = 0.5


def main() -> int:
    """Fetches and returns the exit status."""
    arguments = parse_arguments()
    events = Events()
    # Xet needs a service of its own beside the hub; plain HTTP works with every mirror and resumes.
    os.environ.setdefault("HF_HUB_DISABLE_XET", "1")
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    try:
        return fetch(arguments, events)
    except Exception as error:
        traceback.print_exc()
        code, message = name_failure(error, arguments.out)
        events.emit("error", code=code, message=message)
        return 1


def parse_arguments() -> argparse.Namespace:
    """Reads argv."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repository", required=True, help="ORG/NAME")
    parser.add_argument("--revision", required=True, help="commit, tag or branch")
    parser.add_argument("--out", type=Path, required=True, help="folder to fill")
    return parser.parse_args()


def fetch(arguments: argparse.Namespace, events: Events) -> int:
    """Resolves the revision to a commit, checks what is there, downloads and verifies it."""
    from huggingface_hub import HfApi

    token = os.environ.get("HF_TOKEN") or False
    revision = HfApi(token=token).model_info(arguments.repository, revision=arguments.revision, files_metadata=True)
    commit = revision.sha
    if commit is None:
        raise TrainerError("INTERNAL", "the hub named no commit")
    events.emit("resolved", commit=commit)
    siblings = wanted_files(revision.siblings or [])
    total = sum(sibling.size or 0 for sibling in siblings)
    done = 0
    files = []
    for sibling in siblings:
        report = progress(events, sibling.rfilename, done, total)
        path = download(arguments, commit, sibling, token, report)
        digest = verify(path, sibling)
        if sibling.rfilename.endswith(".json"):
            refuse_code(path, sibling.rfilename)
        done += path.stat().st_size
        report(path.stat().st_size, True)
        files.append({"path": sibling.rfilename, "size": path.stat().st_size, "sha256": digest})
    events.emit("result", commit=commit, files=files)
    return 0


def wanted_files(siblings: "list[RepoSibling]") -> "list[RepoSibling]":
    """Chooses the files, small ones first: a configuration that asks for code ends it before the weights.

    Raises:
        TrainerError: UNSAFE when there are no safetensors.
    """
    chosen = [file for file in siblings if any(fnmatch.fnmatchcase(file.rfilename, pattern) for pattern in WANTED)]
    # `original/` and the like repeat the weights in another form.
    chosen = [file for file in chosen if "/" not in file.rfilename]
    if not any(file.rfilename.endswith(".safetensors") for file in chosen):
        raise TrainerError("UNSAFE", "it holds no safetensors, and other formats can run code when they are loaded")
    return sorted(chosen, key=lambda file: (not file.rfilename.endswith(".json"), file.size or 0, file.rfilename))


def download(
    arguments: argparse.Namespace,
    commit: str,
    sibling: "RepoSibling",
    token: str | bool,
    report: Callable[[int, bool], None],
) -> Path:
    """Fetches one file, or the rest of it, or nothing when an earlier call brought it.

    hf_hub_download would begin every file anew (huggingface_hub since pull request 4228), and a file of weights has
    gigabytes: so what has arrived stays in a file named by its content, and `verify` judges the whole.

    Returns:
        Where it lies.
    """
    from huggingface_hub import get_hf_file_metadata, hf_hub_url
    from huggingface_hub.file_download import http_get
    from huggingface_hub.utils import build_hf_headers
    from tqdm import tqdm

    class Reported(tqdm):
        """huggingface_hub tells its progress to a tqdm; this one draws nothing and passes it on."""

        def __init__(self, *positional: Any, **named: Any) -> None:
            named.pop("name", None)
            super().__init__(*positional, **{**named, "disable": False, "file": open(os.devnull, "w")})  # noqa: SIM115

        def update(self, n: float | None = 1) -> bool | None:
            shown = super().update(n)
            report(int(self.n), False)
            return shown

    path = arguments.out / sibling.rfilename
    if path.is_file() and is_claimed(path, sibling):
        return path
    url = hf_hub_url(arguments.repository, sibling.rfilename, revision=commit)
    found = get_hf_file_metadata(url, token=token)
    # The token is for the hub, and not for the store that it sends large files from.
    is_hub = urlsplit(found.location).netloc == urlsplit(url).netloc
    arrived = path.with_name(f"{path.name}.{str(found.etag)[:16]}.incomplete")
    with arrived.open("ab") as file:
        http_get(
            found.location,
            file,
            resume_size=file.tell(),
            headers=build_hf_headers(token=token if is_hub else False),
            expected_size=found.size,
            tqdm_class=Reported,
        )
    return arrived.replace(path)


def progress(events: Events, file: str, before: int, total: int) -> Callable[[int, bool], None]:
    """Makes a reporter that says at most twice a second how far all files are.

    Args:
        before: bytes of the files that are complete.
        total: bytes of all files.
    """
    last = 0.0

    def report(done: int, complete: bool) -> None:
        nonlocal last
        now = time.monotonic()
        if complete or now - last >= PROGRESS_EVERY_S:
            last = now
            events.emit("progress", file=file, done_bytes=before + done, total_bytes=total)

    return report


def verify(path: Path, sibling: "RepoSibling") -> str:
    """Compares a file with what the hub says of it.

    Returns:
        SHA-256 in hex.

    Raises:
        TrainerError: HASH_MISMATCH; the file is deleted, so that the next call fetches it again.
    """
    if not is_claimed(path, sibling):
        path.unlink()
        raise TrainerError("HASH_MISMATCH", f"{sibling.rfilename} is not what the hub says it is")
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def is_claimed(path: Path, sibling: "RepoSibling") -> bool:
    """Tells whether a file is the one that the hub names: large ones by SHA-256, the others by git's hash of a blob."""
    size = path.stat().st_size
    if sibling.size is not None and sibling.size != size:
        return False
    if sibling.lfs is None and sibling.blob_id is None:
        return True
    digest = hashlib.sha256() if sibling.lfs else hashlib.sha1(f"blob {size}\0".encode(), usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(2**20):
            digest.update(block)
    return digest.hexdigest() == (sibling.lfs.sha256 if sibling.lfs else sibling.blob_id)


def refuse_code(path: Path, name: str) -> None:
    """Refuses a configuration that names Python code to load.

    Raises:
        TrainerError: UNSAFE.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise TrainerError("UNSAFE", f"{name} is not JSON") from error
    if isinstance(content, dict) and "auto_map" in content:
        raise TrainerError("UNSAFE", f"{name} has an auto_map: it runs Python code from the repository")


def name_failure(error: Exception, out: Path) -> tuple[str, str]:
    """Says which code and message a failure has for the reader."""
    from huggingface_hub import errors

    if isinstance(error, TrainerError):
        return error.code, str(error)
    if isinstance(error, errors.GatedRepoError):
        return "GATED", "its owner gives it only to those who accepted its terms"
    if isinstance(error, errors.RepositoryNotFoundError | errors.RevisionNotFoundError | errors.HFValidationError):
        missing = "revision" if isinstance(error, errors.RevisionNotFoundError) else "repository"
        return "NOT_FOUND", f"there is no such {missing}"
    if is_disk_full(error, out):
        return "DISK_FULL", "no space is left on the disk"
    if isinstance(error, OSError):
        return "OFFLINE", f"the hub does not answer: {first_line(error)}"
    return ("OFFLINE" if is_connection_error(error) else "INTERNAL"), f"{type(error).__name__}: {first_line(error)}"


def is_connection_error(error: BaseException) -> bool:
    """Knows what huggingface_hub's HTTP library raises when nobody answers; none of it is an OSError."""
    import httpx2

    return isinstance(error, httpx2.TransportError | httpx2.InvalidURL)


if __name__ == "__main__":
    raise SystemExit(main())
