"""The score is what a plain, unbatched computation gives, whatever the batch size."""

import json

import pytest
import torch
from conftest import Folders
from loading import load_model, load_tokenizer
from rows import load_rows
from scoring import end_tokens, generate, is_exact, score
from spec import Evaluation, load_spec


@pytest.fixture
def loaded(folders: Folders):
    folders.argv()
    spec = load_spec(folders.root / "spec.json")
    tokenizer = load_tokenizer(folders.model)
    rows = load_rows(folders.root / "data" / "held_out.jsonl", tokenizer)
    return load_model(spec, folders.model), tokenizer, rows


def test_the_loss_is_the_mean_over_completion_tokens_of_a_plain_forward_pass(loaded):
    model, tokenizer, rows = loaded
    nats, tokens = 0.0, 0
    with torch.no_grad():
        for row in rows:
            ids = torch.tensor([row.prompt_ids + row.completion_ids])
            logits = model(input_ids=ids).logits[0, len(row.prompt_ids) - 1 : -1]
            nats += torch.nn.functional.cross_entropy(logits, ids[0, len(row.prompt_ids) :], reduction="sum").item()
            tokens += len(row.completion_ids)
    scored = score(model, tokenizer, rows, Evaluation(max_new_tokens=4, batch_size=4), lambda _: None)
    assert scored.tokens == tokens
    assert scored.loss == pytest.approx(nats / tokens, rel=1e-5)


def test_answers_do_not_depend_on_the_batch(loaded):
    model, tokenizer, rows = loaded
    alone = [generate(model, tokenizer, [row], 12)[0] for row in rows]
    scored = score(model, tokenizer, rows, Evaluation(max_new_tokens=12, batch_size=4), lambda _: None)
    assert scored.answers == alone


def test_scoring_leaves_weights_mode_and_random_numbers_alone(loaded):
    model, tokenizer, rows = loaded
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    state = torch.get_rng_state()
    model.train()
    score(model, tokenizer, rows, Evaluation(max_new_tokens=2, batch_size=4, limit=4), lambda _: None)
    assert model.training
    assert torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(weight, before[name]) for name, weight in model.state_dict().items())


def test_the_limit_takes_the_first_rows_and_progress_ends_with_their_number(loaded):
    model, tokenizer, rows = loaded
    told: list[int] = []
    scored = score(model, tokenizer, rows, Evaluation(max_new_tokens=2, batch_size=3, limit=5), told.append)
    assert (scored.rows, told) == (5, [3, 5])


def test_an_answer_ends_at_any_of_the_models_end_tokens(loaded):
    model, tokenizer, _ = loaded
    assert end_tokens(model, tokenizer) == sorted([tokenizer.eos_token_id, tokenizer.pad_token_id])


@pytest.mark.parametrize(
    ("answer", "expected", "exact"),
    [
        ("yes", " yes\n", True),
        ("Yes", "yes", False),
        ('{"b": 1, "a": [2]}', '{"a": [2], "b": 1}', True),
        ('{"a": 1}', '{"a": 2}', False),
        ('{"a": 1', '{"a": 1}', False),
        ("<think>\nso\n</think>\n\n4", "4", True),
        ("", "4", False),
        ("1.0", "1", True),
        ("true", "1", False),
        ('{"a": [0]}', '{"a": [false]}', False),
        ("12345678901234567890", "12345678901234567891", False),
    ],
)
def test_exact_match_compares_json_as_values_and_text_without_outer_space(answer: str, expected: str, exact: bool):
    assert is_exact(answer, expected) == exact


def test_a_prompt_is_shown_alone_or_with_roles(loaded):
    _, tokenizer, rows = loaded
    row = rows[0]
    assert row.prompt_text() == json.loads(json.dumps(row.prompt[0]["content"]))
    assert tokenizer.decode(row.completion_ids).startswith(row.completion)
