"""Generates the demo's data set: a customer's message in, strict JSON with category, priority and product out.

    python tickets.py --out DIR

Writes DIR/tickets.jsonl and DIR/tickets-held-out.jsonl, one `{"messages": [user, assistant]}` a line, the same
bytes every time. The two files differ by construction: each pair of a problem's and an urgency's wording belongs to
one of them only, and no held-out message is a near duplicate of a training message (`similarity` below the limit).
"""

import argparse
import hashlib
import json
import random
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ticket_phrases import ASIDES, CLOSINGS, CODES, DAYS, GREETINGS, NAMES, PROBLEMS, PRODUCTS, URGENCIES

TRAIN_ROWS = 1800
HELD_OUT_ROWS = 240
SEED = 20_261
HELD_OUT_SHARE = 0.15  # of the pairs of problem and urgency
NEAR_DUPLICATE = 0.7  # the generator's own limit, stricter than the 0.8 that the test allows
SHINGLE = 5  # characters
SHORT_FORMS = (("Please", "Pls"), ("please", "pls"), ("Thank you.", "Thx"), (" and ", " & "))


@dataclass(frozen=True)
class Ticket:
    """One message with its answer; `pair` names the wordings of problem and urgency that it joins."""

    text: str
    category: str
    priority: str
    product: str
    pair: tuple[str, str]


def main() -> None:
    """Writes both files into --out."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    out: Path = parser.parse_args().out
    train, held_out = make_tickets()
    out.mkdir(parents=True, exist_ok=True)
    for name, tickets in (("tickets.jsonl", train), ("tickets-held-out.jsonl", held_out)):
        (out / name).write_text("".join(f"{chat_row(ticket)}\n" for ticket in tickets), encoding="utf-8")


def make_tickets() -> tuple[list[Ticket], list[Ticket]]:
    """Draws the two splits.

    Returns:
        TRAIN_ROWS training tickets and HELD_OUT_ROWS held-out tickets, no text twice, no near duplicate across.
    """
    train = distinct_tickets(random.Random(SEED), TRAIN_ROWS, held_out=False)
    candidates = distinct_tickets(random.Random(SEED + 1), 2 * HELD_OUT_ROWS, held_out=True)
    index = shingle_index(train)
    fresh = [ticket for ticket in candidates if nearest(ticket.text, index) < NEAR_DUPLICATE]
    return train, fresh[:HELD_OUT_ROWS]


def distinct_tickets(draw: random.Random, count: int, *, held_out: bool) -> list[Ticket]:
    """Draws tickets of one split until `count` different texts are there."""
    tickets: dict[str, Ticket] = {}
    while len(tickets) < count:
        ticket = draw_ticket(draw)
        if is_held_out(ticket.pair) == held_out:
            tickets.setdefault(ticket.text.lower(), ticket)
    return list(tickets.values())


def is_held_out(pair: tuple[str, str]) -> bool:
    """Says by a hash whether a pair of wordings belongs to the held-out split, so that no table has to be kept."""
    digest = hashlib.sha256("\n".join(pair).encode()).digest()
    return int.from_bytes(digest[:4], "big") / 2**32 < HELD_OUT_SHARE


def draw_ticket(draw: random.Random) -> Ticket:
    """Draws one ticket: category, priority and product evenly, then wordings, order of sentences and typing habits."""
    category = draw.choice(list(PROBLEMS))
    priority = draw.choice(list(URGENCIES))
    product = draw.choice(PRODUCTS)
    problem = draw.choice(PROBLEMS[category])
    urgency = draw.choice(URGENCIES[priority])
    body = [problem, draw.choice(ASIDES), urgency]
    if draw.random() < 0.25:
        body = [urgency, problem, body[1]]
    parts = [draw.choice(GREETINGS), *body, draw.choice(CLOSINGS)]
    text = fill_in(" ".join(part for part in parts if part), product, draw)
    return Ticket(typed(text, draw), category, priority, product, (problem, urgency))


def fill_in(text: str, product: str, draw: random.Random) -> str:
    """Puts product, numbers, days and names into a message; all are drawn, so that the draws stay aligned."""
    return text.format(
        product=product,
        order=draw.randint(10_000, 99_999),
        amount=f"{draw.randint(9, 420)} euros",
        day=draw.choice(DAYS),
        code=draw.choice(CODES),
        name=draw.choice(NAMES),
    )


def typed(text: str, draw: random.Random) -> str:
    """Types a message as people do: most with care, some all in lower case, some with short forms."""
    habit = draw.random()
    if habit < 0.12:
        return text.lower()
    if habit < 0.2:
        for long, short in SHORT_FORMS:
            text = text.replace(long, short)
    return text


def chat_row(ticket: Ticket) -> str:
    """Renders a ticket as one line of the chat shape that mlx reads."""
    return json.dumps(
        {"messages": [{"role": "user", "content": ticket.text}, {"role": "assistant", "content": answer(ticket)}]}
    )


def answer(ticket: Ticket) -> str:
    """Renders the answer that the model is to learn."""
    return json.dumps({"category": ticket.category, "priority": ticket.priority, "product": ticket.product})


def shingles(text: str) -> frozenset[str]:
    """Cuts a message into its set of character 5-grams, after lower-casing, digits to 0 and punctuation to blanks."""
    plain = re.sub(r"[^a-z0-9]+", " ", re.sub(r"[0-9]", "0", text.lower())).strip()
    return frozenset(plain[start : start + SHINGLE] for start in range(max(1, len(plain) - SHINGLE + 1)))


def shingle_index(tickets: list[Ticket]) -> tuple[dict[str, list[int]], list[int]]:
    """Indexes messages by shingle: the rows in which each occurs, and each row's number of shingles."""
    rows: dict[str, list[int]] = defaultdict(list)
    sizes: list[int] = []
    for row, ticket in enumerate(tickets):
        pieces = shingles(ticket.text)
        sizes.append(len(pieces))
        for piece in pieces:
            rows[piece].append(row)
    return rows, sizes


def nearest(text: str, index: tuple[dict[str, list[int]], list[int]]) -> float:
    """Finds how near the nearest indexed message is: the Jaccard similarity of the shingle sets, 0 to 1."""
    return max(similarities(text, index), default=0.0)


def similarities(text: str, index: tuple[dict[str, list[int]], list[int]]) -> Iterator[float]:
    """Yields the Jaccard similarity to every indexed message that shares a shingle."""
    rows, sizes = index
    pieces = shingles(text)
    shared: dict[int, int] = defaultdict(int)
    for piece in pieces:
        for row in rows.get(piece, ()):
            shared[row] += 1
    for row, count in shared.items():
        yield count / (len(pieces) + sizes[row] - count)


if __name__ == "__main__":
    main()
