"""Trains one variant on open text: `python3 open_train.py --data FOLDER --variant principal --seed 1 --out FOLDER`.

As `train.py`, with answers of several tokens: the loss is over each token of an answer and the `<end>` behind it. A
variant with name dropout reads `train-dropped.bin`, the others `train.bin`: the same episodes in the same order.
`--resume` goes on from the weights of a run that was cut off, with an optimizer that begins anew and warms up again.
"""

import argparse
import json
import random
import time
from pathlib import Path

from train import ADMISSION_WEIGHT, ALPHA_SCALE, PEAK, WARM_UP, batches, rate, revision

import numpy as np
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
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    torch.manual_seed(arguments.seed)
    order = random.Random(arguments.seed)
    variant = VARIANTS[arguments.variant]
    about = json.loads((arguments.data / "data.json").read_text())
    model = Decoder(variant, about["ids"], LAYERS)
    if arguments.tied:
        # A word that no answer of the training had can be said all the same.
        model.head.weight = model.words.weight
    begin = resume(model, arguments) if arguments.resume else 0
    alphas = [one for name, one in model.named_parameters() if name.endswith("alpha")]
    others = [one for name, one in model.named_parameters() if not name.endswith("alpha")]
    groups = [{"params": others, "scale": 1.0}, {"params": alphas, "scale": ALPHA_SCALE}]
    optimizer = torch.optim.AdamW(groups, lr=PEAK, betas=(0.9, 0.98), weight_decay=0.01)
    episodes = read(arguments.data / ("train-dropped.bin" if variant.name_dropout else "train.bin"))[: arguments.episodes]
    steps = sum(1 for _ in batches(episodes, random.Random(0)))
    begun, used = time.time(), time.process_time()
    recent: list[dict] = []
    for step, group in enumerate(batches(episodes, order), start=1):
        if step <= begin:
            continue
        batch = batch_of(group)
        again = min(1, (step - begin) / WARM_UP) if begin else 1
        for parameters in optimizer.param_groups:
            parameters["lr"] = rate(step - 1, steps) * again * parameters["scale"]
        recent.append({})
        loss = loss_of(model, batch, recent[-1])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        done = {"steps": step, "of": steps, "seconds": round(time.time() - begun), "cpu": round(time.process_time() - used)}
        if step % 100 == 0:
            print(json.dumps({**done, **means(recent)}), flush=True)
            recent = []
        if step % 100 == 0 or step == steps:
            save(model, arguments, {**done, "data": about})


def means(reports: list[dict]) -> dict:
    return {key: round(float(np.mean([one[key] for one in reports])), 4) for key in reports[0]}


def save(model: Decoder, arguments: argparse.Namespace, done: dict) -> None:
    """Writes the weights with where they come from. `steps` less than `of` marks a run that is under way."""
    arguments.out.mkdir(parents=True, exist_ok=True)
    about = {
        "variant": arguments.variant,
        "flags": model.variant.asdict(),
        "layers": len(model.layers),
        "ids": model.words.num_embeddings,
        "tied": arguments.tied,
        "seed": arguments.seed,
        "parameters": sum(one.numel() for one in model.parameters()),
        "revision": revision(),
        **done,
    }
    torch.save({"about": about, "weights": model.state_dict()}, path_of(arguments))


def resume(model: Decoder, arguments: argparse.Namespace) -> int:
    """Takes up the weights of the same run, and says how many steps it had done."""
    saved = torch.load(path_of(arguments), weights_only=True)
    model.load_state_dict(saved["weights"])
    return saved["about"]["steps"]


def path_of(arguments: argparse.Namespace) -> Path:
    return arguments.out / f"open-{arguments.variant}-seed{arguments.seed}.pt"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--variant", choices=sorted(VARIANTS), required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--episodes", type=int, default=None, help="the first of the file alone")
    parser.add_argument("--tied", action="store_true", help="answers are said with the same numbers as words are read")
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--out", type=Path, required=True)
    train(parser.parse_args())
