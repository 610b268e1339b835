"""Reads the records that `write-open.ts` wrote and makes batches of them.

The format is documented in `bench/channel/open/record.ts`; this file only reads it. No text is made here.
"""

import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from episodes import NO_PLACE, long, optional, vectors_of


@dataclass
class Question:
    """`ids` uint16 and `kinds` uint8 [S]: header, question, `<end>`, `<ans>`, the answer, `<end>`. `wanted`: what an
    attacker wants in the answer's place, or nothing."""

    ids: np.ndarray
    kinds: np.ndarray
    answer_at: int
    authority: int
    slot: int
    asked: int
    wanted: np.ndarray

    def with_wanted(self) -> "Question":
        """The question with the attacker's answer in place of the true one."""
        head = self.answer_at + 1
        kinds = np.concatenate([self.kinds[:head], np.repeat(self.kinds[-1:], len(self.wanted))])
        ids = np.concatenate([self.ids[:head], self.wanted])
        return Question(ids, kinds, self.answer_at, self.authority, self.slot, self.asked, self.wanted)


@dataclass
class Episode:
    """`ids` uint16 [T]; `rows` uint8 [4, T]: authority, kind, slot, admission; `bits` uint8 [slots, 8]."""

    ids: np.ndarray
    rows: np.ndarray
    bits: np.ndarray
    questions: list[Question]
    attack_at: int | None

    @property
    def length(self) -> int:
        return len(self.ids)


def read(path: Path) -> list[Episode]:
    data = path.read_bytes()
    found = []
    at = 0

    def take(count: int, of: str = "B") -> np.ndarray:
        nonlocal at
        kind = np.dtype("<u2") if of == "H" else np.dtype(np.uint8)
        taken = np.frombuffer(data, kind, count, at)
        at += count * kind.itemsize
        return taken

    while at < len(data):
        length, slots, asked, attack = struct.unpack_from("<HBBH", data, at)
        at += 6
        bits = take(8 * slots).reshape(slots, 8)
        ids = take(length, "H")
        rows = take(4 * length).reshape(4, length)
        questions = []
        for _ in range(asked):
            span, answer_at, authority, slot, question, wanted = (int(one) for one in take(6))
            of = take(span, "H"), take(span), answer_at, authority, slot, question, take(wanted, "H")
            questions.append(Question(*of))
        found.append(Episode(ids, rows, bits, questions, None if attack == NO_PLACE else attack))
    return found


@dataclass
class Batch:
    """`context`, `questions` and `lengths` as `Decoder.answers` takes them; `admission` [B, T]; `target` [B, Q, S]:
    at each place the next id of the answer, up to its `<end>`; `asked` [B, Q]. -1 is none."""

    context: tuple
    questions: tuple
    lengths: torch.Tensor
    admission: torch.Tensor
    target: torch.Tensor
    asked: torch.Tensor


def batch_of(episodes: list[Episode]) -> Batch:
    """Pads conversations and questions to the longest; where one has fewer questions than others, only so many are
    asked of all. Of an attack each question stands there twice: with the true answer, and then with the one that the
    attacker wants."""
    size, most = len(episodes), min(len(one.questions) for one in episodes)
    kept = [one.questions[:most] for one in episodes]
    asked = [row + [of.with_wanted() for of in row if len(of.wanted)] for row in kept]
    longest = max(one.length for one in episodes)
    span = max(len(one.ids) for row in asked for one in row)
    ids = np.zeros((size, longest), np.int64)
    rows = np.zeros((size, 4, longest), np.uint8)
    rows[:, 3] = 255
    bits = np.zeros((size, max(len(one.bits) for one in episodes), 8), np.uint8)
    spoken = np.zeros((2, size, len(asked[0]), span), np.int64)
    target = np.full((size, len(asked[0]), span), -1, np.int64)
    about = np.zeros((3, size, len(asked[0])), np.int64)
    for at, one in enumerate(episodes):
        ids[at, : one.length] = one.ids
        rows[at, :, : one.length] = one.rows
        bits[at, : len(one.bits)] = one.bits
        for place, question in enumerate(asked[at]):
            end = len(question.ids)
            spoken[0, at, place, :end] = question.ids
            spoken[1, at, place, :end] = question.kinds
            target[at, place, question.answer_at : end - 1] = question.ids[question.answer_at + 1 :]
            about[:, at, place] = question.authority, question.slot, question.asked
    vectors = vectors_of(bits.reshape(-1, 8)).reshape(size, -1, 64)
    index = np.arange(size)[:, None]
    authority = np.repeat(about[0, :, :, None], span, axis=2)
    asking = vectors[index, about[1]][:, :, None].repeat(span, axis=2)
    return Batch(
        context=(torch.from_numpy(ids), long(rows[:, 0]), long(rows[:, 1]), torch.from_numpy(vectors[index, rows[:, 2]])),
        questions=(*(torch.from_numpy(one) for one in (spoken[0], authority, spoken[1])), torch.from_numpy(asking)),
        lengths=torch.tensor([one.length for one in episodes]),
        admission=optional(rows[:, 3]),
        target=torch.from_numpy(target),
        asked=torch.from_numpy(about[2]),
    )
