"""What a running training tells: step events, checkpoint events, and how it stops when it is told to."""

import math
import signal
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from events import Events
from failures import Stopped, TrainerError
from memory import memory_gib
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments


class StopRequest:
    """Remembers SIGTERM and SIGINT; a training finishes its step first."""

    def __init__(self, events: Events) -> None:
        """Listens from now on."""
        self._events = events
        self._signalled = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._remember)

    def _remember(self, _number: int, _frame: FrameType | None) -> None:
        self._signalled = True

    @property
    def wanted(self) -> bool:
        """True after a signal, and when nobody reads the events any more."""
        return self._signalled or not self._events.listening

    def check(self) -> None:
        """Raises Stopped when a stop is wanted; for places where nothing has to be saved."""
        if self.wanted:
            raise Stopped


class Progress(TrainerCallback):
    """Turns the trainer's callbacks into events."""

    def __init__(
        self, events: Events, stop: StopRequest, on_saved: Callable[[Path], None] | None = None, final_save: bool = True
    ) -> None:
        """Keeps its edges.

        Args:
            events: where to write.
            stop: asked after each step.
            on_saved: told the folder of each checkpoint once it is written.
            final_save: whether the last step leaves a checkpoint too.
        """
        self._events = events
        self._stop = stop
        self._on_saved = on_saved
        self._final_save = final_save
        self._begun = self._logged_at = 0.0
        self._first_step = self._logged_tokens = 0

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Starts the clocks; after a resume the first step is not 0."""
        self._begun = self._logged_at = time.monotonic()
        self._first_step, self._logged_tokens = state.global_step, int(state.num_input_tokens_seen)

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Asks for a checkpoint at the end, for one and an end when a stop is wanted, and for a log with each."""
        if self._final_save and state.global_step >= state.max_steps:
            control.should_save = True
        if self._stop.wanted:
            control.should_save = control.should_training_stop = True
        # A resumed trainer starts to sum up losses anew: what was not logged with its checkpoint would be lost.
        control.should_log = control.should_log or control.should_save

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any] | None = None,
        **_: Any,
    ) -> None:
        """Writes a `step` event for each log of a loss.

        Raises:
            TrainerError: LOSS_DIVERGED, as soon as the loss is not finite: weights that are lost do not come back.
        """
        if logs is None or "loss" not in logs:
            return
        now, tokens = time.monotonic(), int(state.num_input_tokens_seen)
        steps = max(1, state.global_step - self._first_step)
        self._events.emit(
            "step",
            step=state.global_step,
            total_steps=state.max_steps,
            epoch=state.epoch,
            loss=float(logs["loss"]),
            learning_rate=float(logs["learning_rate"]),
            grad_norm=float(logs.get("grad_norm", 0.0)),
            tokens_per_second=(tokens - self._logged_tokens) / max(1e-9, now - self._logged_at),
            memory_gib=memory_gib(),
            eta_ms=round((now - self._begun) / steps * (state.max_steps - state.global_step) * 1000),
        )
        self._logged_at, self._logged_tokens = now, tokens
        if not math.isfinite(float(logs["loss"])):
            raise TrainerError(
                "LOSS_DIVERGED", f"the training diverged: at step {state.global_step} the loss is not a number"
            )

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Marks the checkpoint complete and tells it."""
        if self._on_saved is not None:
            self._on_saved(Path(str(args.output_dir)) / f"checkpoint-{state.global_step}")
        self._events.emit("checkpoint", step=state.global_step)
