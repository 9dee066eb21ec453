"""The demo's data set: it regenerates byte for byte, and its held-out half is really unseen."""

import json
from pathlib import Path

import pytest
from ticket_phrases import PROBLEMS, PRODUCTS, URGENCIES
from tickets import chat_row, make_tickets, nearest, shingle_index

DATA = Path(__file__).parents[3] / "templates" / "demo" / "data"
NEAR_DUPLICATE = 0.8


@pytest.fixture(scope="module")
def splits():
    return make_tickets()


def test_the_committed_files_regenerate_byte_for_byte(splits):
    for name, tickets in zip(("tickets.jsonl", "tickets-held-out.jsonl"), splits, strict=True):
        expected = "".join(f"{chat_row(ticket)}\n" for ticket in tickets)
        assert (DATA / name).read_bytes() == expected.encode()


def test_no_text_occurs_twice_within_or_across_the_splits(splits):
    texts = [ticket.text.lower() for split in splits for ticket in split]
    assert len(texts) == len(set(texts))
    assert (len(splits[0]), len(splits[1])) == (1800, 240)


def test_no_held_out_message_is_a_near_duplicate_of_a_training_message(splits):
    index = shingle_index(splits[0])
    assert max(nearest(ticket.text, index) for ticket in splits[1]) < NEAR_DUPLICATE


def test_the_near_duplicate_measure_sees_a_changed_name_and_order_number(splits):
    index = shingle_index(splits[0])
    ticket = next(ticket for ticket in splits[0] if "order number is" in ticket.text)
    assert nearest(ticket.text.replace(" order number is 1", " Order Number is 2") + " Bye", index) >= NEAR_DUPLICATE


def test_held_out_messages_join_wordings_that_training_never_joins(splits):
    train, held_out = ({ticket.pair for ticket in split} for split in splits)
    assert not train & held_out


def test_each_answer_is_strict_json_with_the_three_fields(splits):
    for split in splits:
        for ticket in split:
            answer = json.loads(json.loads(chat_row(ticket))["messages"][1]["content"])
            assert answer.keys() == {"category", "priority", "product"}
            assert answer["category"] in PROBLEMS
            assert answer["priority"] in URGENCIES
            assert answer["product"] in PRODUCTS


def test_each_label_occurs_in_both_splits_at_least_half_as_often_as_an_even_share(splits):
    for split in splits:
        for field, labels in (("category", PROBLEMS), ("priority", URGENCIES), ("product", PRODUCTS)):
            for label in labels:
                count = sum(getattr(ticket, field) == label for ticket in split)
                assert count >= len(split) / len(labels) / 2, (field, label)


def test_every_wording_names_the_product_and_belongs_to_one_category_only():
    wordings = [wording for group in PROBLEMS.values() for wording in group]
    assert len(wordings) == len(set(wordings))
    assert all("{product}" in wording for wording in wordings)
