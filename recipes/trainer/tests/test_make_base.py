"""The demo's base model: its text keeps away from the task and the held-out rows, its folder is what a server needs."""

import hashlib
import json
import re
from pathlib import Path

import pytest
from base_model import chat_text, token_blocks
from base_text import base_rows
from conftest import make_tiny, run_child
from loading import load_tokenizer
from ticket_phrases import PROBLEMS, PRODUCTS, URGENCIES
from tickets import is_held_out, make_tickets


@pytest.fixture(scope="module")
def text():
    return base_rows(7, 15_000)


def test_the_same_seed_draws_the_same_text(text):
    assert base_rows(7, 50) == text[:50]
    assert base_rows(8, 50) != text[:50]


def test_no_json_in_the_text_has_two_of_the_tasks_keys(text):
    written = [json.loads(said) for _, said in text if said.startswith("{")]
    assert len(written) > 100
    assert all(len({"category", "priority", "product"} & answer.keys()) < 2 for answer in written)


def test_no_message_of_the_text_is_answered_with_json_or_a_label(text):
    labels = {*PROBLEMS, *URGENCIES, *PRODUCTS}
    for asked, said in text:
        assert said not in labels, asked
        assert not said.startswith("{") or asked.startswith("As JSON: ")


def test_no_held_out_message_is_asked_about(text):
    held_out = {ticket.text for ticket in make_tickets()[1]}
    asked = {message.removesuffix(" Same matter:").removesuffix(" Same tone:") for message, _ in text}
    assert not held_out & asked
    assert not held_out & {said for _, said in text}


def test_no_message_joins_a_problem_and_an_urgency_that_held_out_rows_join(text):
    asked = [message.lower() for message, _ in text]
    for problem in (problem for problems in PROBLEMS.values() for problem in problems):
        longest = max(re.split(r"\{[a-z]+\}", problem), key=len).lower()
        about_it = [message for message in asked if longest in message]
        assert about_it or "please" in longest or " and " in longest, problem  # the rest is typed in short forms too
        for urgency in (urgency for urgencies in URGENCIES.values() for urgency in urgencies if urgency):
            if is_held_out((problem, urgency)):
                assert not any(urgency.lower() in message for message in about_it), (problem, urgency)


def test_the_tokenizer_writes_any_text_and_ends_a_turn_with_one_token(tiny_model: Path):
    tokenizer = load_tokenizer(tiny_model)
    for text in ('{"a": "ü"}', "ﬀ 你好 🙂\n\t", "12345"):
        assert tokenizer.decode(tokenizer(text)["input_ids"]) == text
    rendered = tokenizer.apply_chat_template(
        [{"role": "user", "content": "Hi"}], add_generation_prompt=True, tokenize=False
    )
    assert rendered == "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"
    assert tokenizer(str(rendered))["input_ids"].count(tokenizer.eos_token_id) == 1


def test_the_folder_has_what_a_server_needs_and_no_pickle(tiny_model: Path):
    names = {path.name for path in tiny_model.iterdir()}
    assert {"config.json", "generation_config.json", "model.safetensors", "tokenizer.json"} <= names
    assert not [name for name in names if name.endswith((".bin", ".pt", ".py")) or name.startswith(".")]
    config = json.loads((tiny_model / "config.json").read_text())
    generation = json.loads((tiny_model / "generation_config.json").read_text())
    assert (config["model_type"], config["head_dim"]) == ("qwen3", 64)
    assert config["eos_token_id"] in generation["eos_token_id"]


def test_it_is_made_the_same_byte_for_byte(tiny_model: Path, tmp_path: Path):
    again = tmp_path / "again"
    assert run_child(lambda: make_tiny(again), None).status == 0
    for path in sorted(tiny_model.iterdir()):
        first, second = (
            hashlib.sha256((folder / path.name).read_bytes()).hexdigest() for folder in (tiny_model, again)
        )
        assert first == second, path.name


def test_only_answers_count_in_full(tiny_model: Path):
    tokenizer = load_tokenizer(tiny_model)
    tokens, weights = token_blocks([chat_text(("How?", "So."))] * 4, tokenizer, 4, 0.1)
    counted = [token for token, weight in zip(tokens.flatten(), weights.flatten(), strict=True) if weight == 1]
    assert str(tokenizer.decode([int(token) for token in counted])).startswith("So.<|im_end|>\nSo.<|im_end|>\n")
    assert weights.unique().tolist() == pytest.approx([0.1, 1.0])
