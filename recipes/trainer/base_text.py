"""The text on which make_base.py trains the demo's base model: customers' messages under other instructions.

The base model shall know the language of the demo's customers and how to copy, quote and write JSON, but nothing of
the demo's task. So none of these instructions asks what a message is about or how pressing it is, and no message
joins a problem and an urgency that the held-out rows join (`tickets.is_held_out`).
"""

import json
import random

from ticket_phrases import PRODUCTS
from tickets import draw_ticket, is_held_out

KEYS = ("name", "category", "note", "product", "team", "priority", "colour", "size", "place", "status", "topic", "day")
VALUES = (
    "billing", "delivery", "technical", "account", "return", "sales", "urgent", "high", "normal", "low", "open",
    "closed", "green", "blue", "small", "large", "north", "south", "new", "old", "paid", "sent",
)  # fmt: skip


def base_rows(seed: int, count: int) -> list[tuple[str, str]]:
    """Draws pairs of what a user says and what the assistant answers.

    Args:
        seed: of the only random generator in use.
        count: number of pairs.

    Returns:
        The pairs, in the order drawn.
    """
    draw = random.Random(seed)
    tasks = (repeat, first_words, last_words, sentence_number, word_after, fill_gap, as_json, ends_as_json, title_case)
    return [draw.choice(tasks)(draw) for _ in range(count)]


def message(draw: random.Random) -> str:
    """Draws a customer's message of a kind that the held-out rows do not have."""
    while True:
        ticket = draw_ticket(draw)
        if not is_held_out(ticket.pair):
            return ticket.text


def sentences(text: str) -> list[str]:
    """Cuts a message after each sign that ends a sentence."""
    marked = text.replace(". ", ".\n").replace("? ", "?\n").replace("! ", "!\n").replace(": ", ":\n")
    return marked.split("\n")


def repeat(draw: random.Random) -> tuple[str, str]:
    """Copies one sentence."""
    sentence = draw.choice(sentences(message(draw)))
    return f"Repeat: {sentence}", sentence


def first_words(draw: random.Random) -> tuple[str, str]:
    """Copies the beginning of a message."""
    text = message(draw)
    return f"First words: {text}", " ".join(text.split()[:4])


def last_words(draw: random.Random) -> tuple[str, str]:
    """Copies the end of a message."""
    text = message(draw)
    return f"Last words: {text}", " ".join(text.split()[-4:])


def sentence_number(draw: random.Random) -> tuple[str, str]:
    """Quotes the sentence at a place."""
    text = message(draw)
    parts = sentences(text)
    place = draw.randrange(len(parts))
    return f"Sentence {place + 1}: {text}", parts[place]


def word_after(draw: random.Random) -> tuple[str, str]:
    """Says which two words follow a word."""
    text = message(draw)
    words = text.split()
    place = draw.randrange(max(1, len(words) - 2))
    return f"What follows {words[place]!r}? {text}", " ".join(words[place + 1 : place + 3])


def fill_gap(draw: random.Random) -> tuple[str, str]:
    """Says which word of a message, given first, is missing in its copy."""
    sentence = draw.choice([part for part in sentences(message(draw)) if " " in part] or ["Thank you."])
    words = sentence.split()
    place = draw.randrange(len(words))
    gap = " ".join([*words[:place], "___", *words[place + 1 :]])
    return f"{sentence} Fill the gap: {gap}", words[place]


def as_json(draw: random.Random) -> tuple[str, str]:
    """Writes given values as JSON under given keys."""
    keys = draw.sample(KEYS, 3)
    values = [draw.choice(VALUES + PRODUCTS) for _ in keys]
    pairs = draw.sample([f"{key} is {value}" for key, value in zip(keys, values, strict=True)], 3)
    return f"As JSON: {', '.join(pairs)}", json.dumps(dict(zip(keys, values, strict=True)))


def ends_as_json(draw: random.Random) -> tuple[str, str]:
    """Writes the first and the last word of a message as JSON."""
    text = message(draw)
    words = text.split()
    return f"First and last word as JSON: {text}", json.dumps({"first": words[0], "last": words[-1]})


def title_case(draw: random.Random) -> tuple[str, str]:
    """Writes words with capital letters."""
    words = message(draw).split()
    start = draw.randrange(max(1, len(words) - 3))
    piece = " ".join(words[start : start + 3])
    return f"With capitals: {piece.lower()}", piece.title()
