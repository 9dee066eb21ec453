"""Stop texts: OpenAI's answers end before one; transformers' own criterion leaves it in, and sees the prompt's too."""

import asyncio
from typing import Any

from transformers.cli.serving.utils import DirectStreamer, ReasoningText


def cut(text: str, stops: list[str]) -> str:
    """Ends a text before the first stop text in it."""
    return text[: min((place for stop in stops if (place := text.find(stop)) >= 0), default=len(text))]


class StopFilter:
    """Lets text through up to a stop text, and holds back what may become one."""

    def __init__(self, stops: list[str]) -> None:
        """Keeps the stop texts."""
        self.stops = stops
        self.held = ""
        self.stopped = False

    def push(self, text: str) -> str:
        """Gives what is certainly before a stop text."""
        if self.stopped:
            return ""
        self.held += text
        before = cut(self.held, self.stops)
        self.stopped = len(before) < len(self.held)
        sure = len(before) if self.stopped else len(self.held) - self.open_characters()
        passed, self.held = self.held[:sure], self.held[sure:]
        return passed

    def rest(self) -> str:
        """Gives what turned out to be no stop text, at the end."""
        return "" if self.stopped else self.held

    def open_characters(self) -> int:
        """Counts the characters at the end with which a stop text begins."""
        longest = max((len(stop) - 1 for stop in self.stops), default=0)
        lengths = range(min(longest, len(self.held)), 0, -1)
        return next((n for n in lengths if any(stop.startswith(self.held[-n:]) for stop in self.stops)), 0)


class StoppedStreamer(DirectStreamer):
    """transformers' streamer with the filter before its queue."""

    def __init__(
        self, tokenizer: Any, loop: asyncio.AbstractEventLoop, queue: asyncio.Queue, parser: Any, stops: list[str]
    ) -> None:
        """Takes what DirectStreamer takes, and the stop texts."""
        super().__init__(tokenizer, loop, queue, response_parser=parser)
        self.filter = StopFilter(stops)

    def _enqueue(self, item: Any) -> None:
        if item is None and (rest := self.filter.rest()):
            super()._enqueue(rest)
        if isinstance(item, str) and not isinstance(item, ReasoningText):
            item = self.filter.push(item)
        if item != "":
            super()._enqueue(item)
