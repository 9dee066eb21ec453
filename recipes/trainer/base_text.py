"""The text on which make_base.py trains the demo's base model: customers' messages under other instructions.

A real base model has read enough to understand what people write; this one gets there by a short course in the
language of the demo's customers: what a message is about, how soon, which thing, in words and in a form that the
demo's task does not use. So it understands messages and has seen JSON, and knows nothing of the task: not which label
a message has, nor that JSON is wanted. No message joins a problem and an urgency that the held-out rows join
(`tickets.is_held_out`).
"""

import json
import random

from ticket_phrases import PRODUCTS
from tickets import Ticket, draw_ticket, is_held_out

# Other words than the labels of the task.
TOPICS = {
    "billing": "money",
    "delivery": "parcel",
    "technical": "fault",
    "account": "sign-in",
    "return": "send back",
    "sales": "offer",
}
HASTE = {"urgent": "at once", "high": "soon", "normal": "some day", "low": "no matter"}
KEYS = ("name", "note", "team", "colour", "size", "place", "status", "topic", "day", "category", "priority", "product")
VALUES = ("open", "closed", "green", "low", "high", "normal", "urgent", "account", "billing", "sales", "delivery")


def base_rows(seed: int, count: int) -> list[tuple[str, str]]:
    """Draws pairs of what a user says and what the assistant answers.

    Args:
        seed: of the only random generator in use.
        count: number of pairs.

    Returns:
        The pairs, in the order drawn.
    """
    draw = random.Random(seed)
    tasks = (topic, haste, in_short, in_short, as_json)
    return [draw.choice(tasks)(draw) for _ in range(count)]


def ticket(draw: random.Random) -> Ticket:
    """Draws a customer's message of a kind that the held-out rows do not have."""
    while True:
        drawn = draw_ticket(draw)
        if not is_held_out(drawn.pair):
            return drawn


def topic(draw: random.Random) -> tuple[str, str]:
    """Says in a word what a message is about."""
    message = ticket(draw)
    return f"{message.text} What is it about?", TOPICS[message.category]


def haste(draw: random.Random) -> tuple[str, str]:
    """Says how soon an answer is wanted."""
    message = ticket(draw)
    return f"{message.text} How soon?", HASTE[message.priority]


def in_short(draw: random.Random) -> tuple[str, str]:
    """Says all three, in prose and in another order than the task wants."""
    message = ticket(draw)
    return f"{message.text} In short?", f"{message.product}, {HASTE[message.priority]}: {TOPICS[message.category]}."


def as_json(draw: random.Random) -> tuple[str, str]:
    """Writes given values as JSON under given keys: how JSON looks, and what the labels of the task are called."""
    keys = draw.sample(KEYS, 3)
    values = [draw.choice(VALUES + PRODUCTS) for _ in keys]
    pairs = [f"{key} is {value}" for key, value in zip(keys, values, strict=True)]
    return f"As JSON: {', '.join(pairs)}", json.dumps(dict(zip(keys, values, strict=True)))
