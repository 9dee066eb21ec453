"""The text on which make_base.py trains the demo's base model: customers' messages under other instructions.

The base model shall know how these customers write, which sentences go together, and what JSON looks like, as a real
base model does; but nothing of the demo's task. So no row says what a message is about, how pressing it is or which
product it names, none answers a message with JSON, no JSON has two of the task's keys, and no message joins a problem
and an urgency that the held-out rows join (`tickets.is_held_out`).
"""

import json
import random
from collections.abc import Callable

from ticket_phrases import PROBLEMS, PRODUCTS, URGENCIES
from tickets import Ticket, draw_ticket, fill_in, is_held_out

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
    """Answers a message with another sentence about the same kind of matter; the kind is never named."""
    ticket = draw_message(draw)
    others = [wording for wording in PROBLEMS[ticket.category] if wording != ticket.pair[0]]
    return f"{ticket.text} Same matter:", fill_in(draw.choice(others), ticket.product, draw)


def same_tone(draw: random.Random) -> Pair:
    """Answers a message with another sentence of the same tone; the tone is never named."""
    ticket = draw_message(draw)
    others = [wording for wording in URGENCIES[ticket.priority] if wording != ticket.pair[1]]
    return f"{ticket.text} Same tone:", draw.choice(others) or "Nothing."


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
