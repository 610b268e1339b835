"""Trains one variant on open text: `python3 open_train.py --data FOLDER --variant principal --seed 1 --out FOLDER`.

As `train.py`, with answers of several tokens: the loss is over each token of an answer and the `<end>` behind it. A
variant with name dropout reads `train-dropped.bin`, the others `train.bin`: the same episodes in the same order.
"""

import argparse
import json

from train import ADMISSION_WEIGHT, begin, fit, parsed

import torch
from torch.nn import functional as F

from model import Decoder
from open_episodes import Batch, batch_of, read
from variants import VARIANTS

LAYERS = 5
"""One more than the closed vocabulary has: a directive must first be read before it can be compared."""


def loss_of(model: Decoder, batch: Batch, report: dict) -> torch.Tensor:
    places = range(batch.target.shape[2])
    logits, admission = model.answers(batch.context, batch.questions, batch.lengths, tuple(places))
    spoken = batch.target >= 0
    said, wanted = logits[spoken], batch.target[spoken]
    loss = F.cross_entropy(said, wanted)
    ends = batch.admission >= 0
    admitted = F.cross_entropy(admission[ends], batch.admission[ends])
    report["tokens"] = (said.argmax(-1) == wanted).float().mean().item()
    report["answers"] = exact(logits, batch.target).float().mean().item()
    report["admission"] = (admission[ends].argmax(-1) == batch.admission[ends]).float().mean().item()
    report["loss"] = loss.item()
    return loss + ADMISSION_WEIGHT * admitted if model.variant.admission else loss


def exact(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Whether greedy decoding says exactly the target: [B, Q]. It does if, given each part of the target so far,
    the most likely next token is the target's; so one look with the target in place tells."""
    return ((logits.argmax(-1) == target) | (target < 0)).all(-1)


def train(arguments: argparse.Namespace) -> None:
    variant = VARIANTS[arguments.variant]
    ids = len(json.loads((arguments.data / "vocabulary.json").read_text())["words"])
    begin(arguments.seed)
    model = Decoder(variant, ids, LAYERS)
    # What is read and what is said are one table: an answer is a copy of words that were read.
    model.head.weight = model.words.weight

    def lesson(group: list, _: float, report: dict) -> torch.Tensor:
        return loss_of(model, batch_of(group), report)

    file = "train-dropped.bin" if variant.name_dropout else "train.bin"
    fit(model, lesson, read(arguments.data / file)[: arguments.episodes], arguments)


if __name__ == "__main__":
    train(parsed(__doc__))
