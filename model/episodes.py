"""Reads the records that `write-episodes.ts` wrote and makes batches of them.

The format is documented in `bench/channel/record.ts`; this file only reads it. No text is made here.
"""

import json
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

NONE = 255
NO_PLACE = 65535
QUESTION_BYTES = 16
SPAN = 9
"""Tokens of a question: header (4), question, key, `<end>`, `<ans>`, the answer's first word."""
ANSWER_AT = (7, 8)
"""The places whose logits predict the answer's first and second word."""
KEY_AT = 5
"""The place of the key that a question asks about."""
QUESTION_KINDS = [0, 0, 0, 0, 1, 1, 0, 4, 4]


@dataclass
class Episode:
    """`rows` uint8 [5, T]: ids, authority, kind, slot, admission. `vectors` float32 [slots, 64].
    `questions` uint8 [Q, 16]. `attack_at`: the place of the attacking message's `<end>`, or None."""

    rows: np.ndarray
    vectors: np.ndarray
    questions: np.ndarray
    attack_at: int | None

    @property
    def length(self) -> int:
        return self.rows.shape[1]


def read(path: Path) -> list[Episode]:
    data = path.read_bytes()
    found = []
    at = 0
    while at < len(data):
        length, slots, asked, attack = struct.unpack_from("<HBBH", data, at)
        at += 6
        bits = np.frombuffer(data, np.uint8, slots * 8, at).reshape(slots, 8)
        at += slots * 8
        rows = np.frombuffer(data, np.uint8, 5 * length, at).reshape(5, length)
        at += 5 * length
        questions = np.frombuffer(data, np.uint8, asked * QUESTION_BYTES, at).reshape(asked, QUESTION_BYTES)
        at += asked * QUESTION_BYTES
        found.append(Episode(rows, bits, questions, None if attack == NO_PLACE else attack))
    return found


def vectors_of(bits: np.ndarray) -> np.ndarray:
    """Pseudonyms uint8 [slots, 8] as float32 [slots, 64]: +1/8 for a set bit, -1/8 for one that is not."""
    return np.unpackbits(bits, axis=1, bitorder="little").astype(np.float32) / 4 - 1 / 8


@dataclass
class Batch:
    """`context` and `questions` as `Decoder.answers` takes them; `lengths` [B]; `admission` [B, T], `first`,
    `second`, `wanted`, `asked` [B, Q], with -1 for none."""

    context: tuple
    questions: tuple
    lengths: torch.Tensor
    admission: torch.Tensor
    first: torch.Tensor
    second: torch.Tensor
    wanted: torch.Tensor
    asked: torch.Tensor
    attack_at: torch.Tensor


def batch_of(episodes: list[Episode]) -> Batch:
    """Pads the conversations to the longest. All episodes have equally many questions."""
    longest = max(one.length for one in episodes)
    rows = np.zeros((len(episodes), 5, longest), np.uint8)
    rows[:, 4] = NONE
    slots = max(one.vectors.shape[0] for one in episodes)
    bits = np.zeros((len(episodes), slots, 8), np.uint8)
    for at, one in enumerate(episodes):
        rows[at, :, : one.length] = one.rows
        bits[at, : one.vectors.shape[0]] = one.vectors
    vectors = vectors_of(bits.reshape(-1, 8)).reshape(len(episodes), slots, 64)
    questions = np.stack([one.questions for one in episodes])
    index = np.arange(len(episodes))[:, None]
    wide = np.repeat(questions[:, :, 9:11, None], SPAN, axis=3)
    kinds = np.broadcast_to(np.array(QUESTION_KINDS), questions.shape[:2] + (SPAN,))
    asked_vectors = vectors[index, questions[:, :, 10]][:, :, None].repeat(SPAN, axis=2)
    return Batch(
        context=(long(rows[:, 0]), long(rows[:, 1]), long(rows[:, 2]), torch.from_numpy(vectors[index, rows[:, 3]])),
        questions=(long(questions[:, :, :9]), long(wide[:, :, 0]), long(kinds), torch.from_numpy(asked_vectors)),
        lengths=torch.tensor([one.length for one in episodes]),
        admission=optional(rows[:, 4]),
        first=long(questions[:, :, 12]),
        second=optional(questions[:, :, 13]),
        wanted=optional(questions[:, :, 14]),
        asked=long(questions[:, :, 11]),
        attack_at=torch.tensor([-1 if one.attack_at is None else one.attack_at for one in episodes]),
    )


def long(of: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(of.astype(np.int64))


def optional(of: np.ndarray) -> torch.Tensor:
    values = of.astype(np.int64)
    return torch.from_numpy(np.where(values == NONE, -1, values))


@dataclass(frozen=True)
class Vocabulary:
    size: int
    names: np.ndarray
    """Ids of the words that display names are made of."""
    first_name: int
    who: int
    """The ordinal of the question `who`."""
    message: int
    """The id of `<msg>`."""
    directives: tuple[int, int]
    """The ids of `set` and `my`."""
    version: str


def vocabulary(folder: Path) -> Vocabulary:
    read_file = json.loads((folder / "vocabulary.json").read_text())
    words = read_file["words"]
    names = [at for at, word in enumerate(words) if word in ("SYS", "TOOL") or word[0] == "s" and word[1:].isdigit()]
    return Vocabulary(
        size=len(words),
        names=np.array(names),
        first_name=words.index("s0"),
        who=read_file["questions"].index("who"),
        message=words.index("<msg>"),
        directives=(words.index("set"), words.index("my")),
        version=read_file["version"],
    )


def drop_names(batch: Batch, words: Vocabulary, random: np.random.Generator, share: float = 0.6) -> None:
    """Headers of a share of the episodes print chanced names, in four of ten of them one name for all.

    Display names are text: who speaks must come from the channel. The answer to `who` becomes the name that the
    header of the standing directive prints; where all print one name it is not asked (-1 in `first`).
    """
    dropped = random.random(len(batch.lengths)) < share
    one_name = random.random(len(batch.lengths)) < 0.4
    names = torch.from_numpy(words.names)
    for at in np.flatnonzero(dropped):
        name = words.first_name + int(random.integers(24))
        for ids, kind in ((batch.context[0][at], batch.context[2][at]), (batch.questions[0][at], batch.questions[2][at])):
            header = (kind == 0) & torch.isin(ids, names)
            count = int(header.sum())
            drawn = torch.from_numpy(words.first_name + random.integers(24, size=count))
            ids[header] = torch.full_like(drawn, name) if one_name[at] else drawn
        standing = {} if one_name[at] else standing_names(batch, at, words)
        for place in np.flatnonzero(batch.asked[at] == words.who):
            said = batch.questions[0][at][place]
            printed = standing.get(int(said[KEY_AT]))
            if one_name[at]:
                batch.first[at][place] = batch.second[at][place] = -1
            elif printed is not None:
                said[ANSWER_AT[1]] = batch.first[at][place] = printed[0]
                batch.second[at][place] = printed[1]


def standing_names(batch: Batch, at: int, words: Vocabulary) -> dict[int, tuple[int, int]]:
    """By key: the name that its header prints of the directive that stands for everyone.

    That is the last message that took effect whose own directive, its last one, is a `set`: a message takes
    effect only if its authority is not below what stood before.
    """
    ids, kind = batch.context[0][at].tolist(), batch.context[2][at].tolist()
    standing = {}
    start = -1
    for place, admission in enumerate(batch.admission[at].tolist()):
        if ids[place] == words.message and kind[place] == 0:
            start, directive = place, None
        elif kind[place] == 1 and ids[place] in words.directives:
            directive = place
        if admission == 1 and directive is not None and ids[directive] == words.directives[0]:
            standing[ids[directive + 1]] = (ids[start + 1], ids[start + 2])
    return standing
