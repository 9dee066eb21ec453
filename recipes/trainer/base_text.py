"""The text on which make_base.py trains the demo's base model: customers' messages under other instructions.

The base model shall know how these customers write, which of their sentences go together, and what JSON looks like, as
a real base model does; but nothing of the demo's task. So no row names what a message is about, how pressing it is or
which product it names, none answers a message with JSON, no JSON has two of the task's keys, and no message joins a
problem and an urgency that the held-out rows join (`tickets.is_held_out`).

Sentences that go together are learnt from one example of their kind, always the same, and half of the time from a
sentence that stands alone: with any of the others as the answer, a minute of training sometimes ended before the model
had seen what they share, and the demo then reached 12 or 95 percent on two machines (docs/log.md).
"""

import json
import random
from collections.abc import Callable

from ticket_phrases import PROBLEMS, PRODUCTS, URGENCIES
from tickets import Ticket, draw_ticket, fill_in, is_held_out, typed

Pair = tuple[str, str]

TASK_KEYS = {"category", "priority", "product"}
KEYS = ("name", "category", "note", "product", "team", "priority", "colour", "size", "place", "status", "topic", "day")
VALUES = (
    "billing", "delivery", "technical", "account", "return", "sales", "urgent", "high", "normal", "low", "open",
    "closed", "green", "blue", "small", "large", "north", "south", "new", "old", "paid", "sent", *PRODUCTS,
)  # fmt: skip


def base_rows(seed: int, count: int) -> list[Pair]:
    """Draws pairs of what a user says and what the assistant answers.

    Args:
        seed: of the only random generator in use.
        count: number of pairs.

    Returns:
        The pairs, in the order drawn.
    """
    draw = random.Random(seed)
    tasks: list[Callable[[random.Random], Pair]] = [same_matter] * 3 + [same_tone] * 3 + [as_json, repeat]
    return [draw.choice(tasks)(draw) for _ in range(count)]


def same_matter(draw: random.Random) -> Pair:
    """Answers a message with the example of its kind of matter; the kind is never named."""
    ticket = draw_message(draw)
    example = next(iter(PROBLEMS[ticket.category]))
    return f"{message_or(ticket.pair[0], ticket, draw)} Same matter:", fill_in(example, ticket.product, draw)


def same_tone(draw: random.Random) -> Pair:
    """Answers a message with the example of its tone; the tone is never named."""
    ticket = draw_message(draw)
    example = next(wording for wording in URGENCIES[ticket.priority] if wording)
    return f"{message_or(ticket.pair[1], ticket, draw)} Same tone:", example


def message_or(sentence: str, ticket: Ticket, draw: random.Random) -> str:
    """Gives the whole message or, half of the time, one of its sentences alone."""
    alone = sentence != "" and draw.random() < 0.5
    return typed(fill_in(sentence, ticket.product, draw), draw) if alone else ticket.text


def as_json(draw: random.Random) -> Pair:
    """Writes given values as JSON under given keys."""
    keys = draw.sample(KEYS, 3)
    while len(TASK_KEYS & set(keys)) > 1:
        keys = draw.sample(KEYS, 3)
    values = [draw.choice(VALUES) for _ in keys]
    given = draw.sample([f"{key} is {value}" for key, value in zip(keys, values, strict=True)], 3)
    return f"As JSON: {', '.join(given)}", json.dumps(dict(zip(keys, values, strict=True)))


def repeat(draw: random.Random) -> Pair:
    """Copies one sentence of a message."""
    text = draw_message(draw).text
    for mark in (". ", "? ", "! ", ": "):
        text = text.replace(mark, mark.rstrip() + "\n")
    sentence = draw.choice(text.split("\n"))
    return f"Repeat: {sentence}", sentence


def draw_message(draw: random.Random) -> Ticket:
    """Draws a message of a kind that the held-out rows do not have."""
    while True:
        ticket = draw_ticket(draw)
        if not is_held_out(ticket.pair):
            return ticket
