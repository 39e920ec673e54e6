"""A scene told by a language model, kept to the facts, or else by rules."""

from __future__ import annotations

from collections.abc import Callable

from ..types import Scene
from .answer import AnswerError, check
from .describe import Count
from .request import EXAMPLE, PLAIN_ROLE, ROLE, Request, plain_answer, plain_turns, question

Ask = Callable[[str, list[str], int], str]  # role, turns and seed become an answer


def retell(
    request: Request,
    ask: Ask,
    *,
    name: str,
    seed: int,
    tries: int,
    seen: bool,
    count: Count,
) -> tuple[Scene, list[str]]:
    """The scene in a model's words, and remarks; by rules if no answer can be used.

    Every second try asks plainly, for one line without beats, as small models can answer it.

    Args:
        request: What is to be told.
        ask: The model.
        name: Of the model, told as the author together with the seed.
        seed: Of the first try; each further one takes the next.
        tries: How often the model is asked at most.
        seen: Whether it sees the picture.
        count: Tells the tokens of a text.

    Raises:
        ValueError: tries is below 1.
    """
    if tries < 1:
        raise ValueError(f"'tries' is {tries}. Use at least 1.")
    remarks: list[str] = []
    for number in range(tries):
        author = f"{name}, seed {seed + number}"
        try:
            if number % 2 == 0:
                answer = ask(ROLE, [*EXAMPLE, question(request)], seed + number)
            else:
                line = ask(PLAIN_ROLE, plain_turns(request), seed + number)
                answer = plain_answer(line, request)
            scene, removed = check(answer, request, author=author, seen=seen, count=count)
        except AnswerError as error:
            remarks.append(f"Try {number + 1}: {error}")
            continue
        if removed:
            remarks.append(f"Removed from the answer of {name}: {'; '.join(removed)}.")
        return scene, remarks
    remarks.append(f"Told by rules: {name} gave no answer that could be used.")
    return request.scene, remarks


def from_answer(
    request: Request, answer: str, *, seen: bool, count: Count
) -> tuple[Scene, list[str]]:
    """The scene in the words of another pack's model, and remarks; by rules if it cannot be used.

    Args:
        request: What the model was asked.
        answer: What it answered.
        seen: Whether it saw the picture.
        count: Tells the tokens of a text.
    """
    try:
        scene, removed = check(answer, request, author="user", seen=seen, count=count)
    except AnswerError as error:
        return request.scene, [f"Told by rules: {error}"]
    return scene, [f"Removed from 'answer': {'; '.join(removed)}."] if removed else []
