"""What the trainer reads: spec and rows, with every problem named; what it refuses; what it says of failures."""

import errno
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from checkpoints import fingerprint, mark_complete, newest_complete
from conftest import SPEC, Folders, run_child
from events import Events, finite
from failures import TrainerError, failure_of
from loading import load_tokenizer
from rows import encode, load_rows
from spec import load_spec

FIXTURES = Path(__file__).parents[3] / "test" / "fixtures" / "trainer"


def written(folder: Path, spec: dict[str, Any]) -> Path:
    path = folder / "spec.json"
    path.write_text(json.dumps(spec), encoding="utf-8")
    return path


def test_a_spec_is_read_with_nulls_left_to_the_libraries(tmp_path: Path):
    trainer = {**SPEC["trainer"], "weight_decay": None}
    spec = load_spec(written(tmp_path, {**SPEC, "trainer": trainer}))
    assert "weight_decay" not in spec.trainer
    assert (spec.method, spec.evaluation.batch_size, spec.evaluation.limit) == ("lora", 4, None)


def test_every_problem_of_a_spec_is_named_at_once(tmp_path: Path):
    broken = {**SPEC, "schema": 2, "method": "lorra", "seed": "42", "extra": 1}
    broken["trainer"] = {**SPEC["trainer"], "learning_rate": True, "output_dir": "/"}
    del broken["run_id"]
    with pytest.raises(TrainerError) as caught:
        load_spec(written(tmp_path, broken))
    assert caught.value.code == "SPEC_INVALID"
    for name in ("schema", "method", "seed", "extra", "trainer.learning_rate", "trainer.output_dir", "run_id"):
        assert name in str(caught.value)


def test_a_missing_spec_is_spec_invalid(tmp_path: Path):
    with pytest.raises(TrainerError) as caught:
        load_spec(tmp_path / "absent.json")
    assert caught.value.code == "SPEC_INVALID"


@pytest.mark.parametrize(
    "line",
    [
        "[]",
        '{"prompt": [], "completion": []}',
        '{"prompt": [{"role": "user", "content": 3}], "completion": [{"role": "assistant", "content": "x"}]}',
        '{"prompt": [{"role": "boss", "content": "x"}], "completion": [{"role": "assistant", "content": "x"}]}',
        '{"prompt": [{"role": "user", "content": "x"}], "completion": [{"role": "user", "content": "x"}]}',
    ],
)
def test_a_row_of_another_shape_is_data_invalid(line: str, folders: Folders):
    path = folders.root / "rows.jsonl"
    path.write_text(line, encoding="utf-8")
    with pytest.raises(TrainerError) as caught:
        load_rows(path, load_tokenizer(folders.model))
    assert caught.value.code == "DATA_INVALID"
    assert "line 1" in str(caught.value)


def test_an_empty_split_is_data_invalid(folders: Folders):
    path = folders.root / "rows.jsonl"
    path.write_text("\n\n", encoding="utf-8")
    with pytest.raises(TrainerError, match="has no row"):
        load_rows(path, load_tokenizer(folders.model))


def test_a_completion_begins_where_a_template_renders_the_two_apart(folders: Folders):
    tokenizer = load_tokenizer(folders.model)
    tokenizer.chat_template = (
        "{% for message in messages %}{{ message.role }}:{{ message.content }};{% endfor %}"
        "{% if add_generation_prompt %}assistant:<think>{% endif %}"
    )
    row = encode([{"role": "user", "content": "a"}], {"role": "assistant", "content": "b"}, tokenizer)
    assert tokenizer.decode(row.generation_ids) == "user:a;assistant:<think>"
    assert tokenizer.decode(row.prompt_ids) == "user:a;assistant:"
    assert tokenizer.decode(row.completion_ids) == "b;"


def test_a_row_that_holds_every_unicode_line_end_is_one_row(folders: Folders):
    expected = "".join(map(chr, (0x85, 0x2028, 0x2029, 0x0B, 0x0C)))
    rows = load_rows(FIXTURES / "rows.jsonl", load_tokenizer(folders.model))
    assert [row.completion for row in rows] == [expected, "yes"]


def checkpoint(folder: Path, step: int) -> Path:
    made = folder / f"checkpoint-{step}"
    made.mkdir(parents=True)
    (made / "optimizer.pt").write_bytes(b"state")
    return made


def test_only_a_whole_checkpoint_is_gone_on_from_and_torn_ones_are_removed(tmp_path: Path):
    for step in (5, 10, 15):
        checkpoint(tmp_path, step)
    mark_complete(tmp_path / "checkpoint-5", "me")
    mark_complete(tmp_path / "checkpoint-10", "me")
    (tmp_path / "checkpoint-10" / "optimizer.pt").write_bytes(b"sta")
    assert newest_complete(tmp_path, "me") == tmp_path / "checkpoint-5"
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-5"]


def test_the_newest_checkpoint_is_the_highest_step_not_the_last_name(tmp_path: Path):
    for step in (90, 100):
        mark_complete(checkpoint(tmp_path, step), "me")
    assert newest_complete(tmp_path, "me") == tmp_path / "checkpoint-100"


def test_a_fingerprint_follows_spec_and_rows_but_not_the_run_id(tmp_path: Path):
    rows = tmp_path / "train.jsonl"
    rows.write_text("a", encoding="utf-8")
    first = fingerprint(written(tmp_path, {**SPEC, "run_id": "a"}), rows)
    assert fingerprint(written(tmp_path, {**SPEC, "run_id": "b"}), rows) == first
    assert fingerprint(written(tmp_path, {**SPEC, "seed": 1}), rows) != first
    rows.write_text("b", encoding="utf-8")
    assert fingerprint(written(tmp_path, SPEC), rows) != first


def test_torchs_own_memory_errors_are_out_of_memory(tmp_path: Path):
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**55)
    assert failure_of(caught.value, tmp_path)[0] == "OUT_OF_MEMORY"
    assert failure_of(MemoryError(), tmp_path)[0] == "OUT_OF_MEMORY"


def test_a_full_disk_is_known_by_its_error_number_also_as_a_cause(tmp_path: Path):
    full = OSError(errno.ENOSPC, "No space left on device")
    try:
        raise RuntimeError("could not write") from full
    except RuntimeError as error:
        assert failure_of(error, tmp_path)[0] == "DISK_FULL"
    assert failure_of(RuntimeError("something else"), tmp_path)[0] == "INTERNAL"


def test_numbers_that_json_lacks_become_null():
    assert [finite(value) for value in (float("nan"), float("inf"), 1.23456789, 3)] == [None, None, 1.234568, 3]


def test_whatever_prints_stdout_carries_events_only():
    def chatty() -> int:
        import os

        events = Events()
        print("from Python")  # noqa: T201  that is the point
        os.write(1, b"from C\n")
        events.emit("started", device="cpu")
        return 0

    ended = run_child(chatty, None)
    assert (ended.events, ended.other_lines) == ([{"event": "started", "device": "cpu"}], [])
    assert "from Python" in ended.log
    assert "from C" in ended.log


def test_a_reader_that_has_gone_is_noticed_and_does_not_crash():
    import os

    def unheard() -> int:
        read, write = os.pipe()
        os.close(read)
        os.dup2(write, 1)
        events = Events()
        events.emit("started")
        return 0 if not events.listening else 1

    assert run_child(unheard, None).status == 0
