"""Trains one variant: `python3 train.py --data FOLDER --variant principal --seed 1 --out FOLDER`.

AdamW at 8e-4, falling to nothing over the last 40% of the steps; gradients clipped at 1; batches of 16
conversations of about one length with eight questions each. Each episode is seen once; the file's order is the
curriculum. Every variant sees the same episodes in the same order for the same number of steps.
"""

import argparse
import json
import os
import random
import subprocess
import time
from pathlib import Path

# OpenBLAS guesses wrongly on some processors and is slower by half; its threads fight torch's. Both are read at load.
os.environ.setdefault("OPENBLAS_CORETYPE", "SkylakeX" if "avx512f" in Path("/proc/cpuinfo").read_text() else "Haswell")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import torch
from torch.nn import functional as F

from episodes import ANSWER_AT, Batch, batch_of, drop_names, read, vocabulary
from model import Decoder
from variants import VARIANTS

PEAK = 8e-4
WARM_UP = 100
ADMISSION_WEIGHT = 0.5
ALPHA_SCALE = 10.0
"""The relation's few numbers have far to go: their rate is this much higher."""
DROPOUT_FROM = 0.33
"""Names are dropped from here on: before, conversations are short and the model learns what a name is for."""
BATCH = 16
WINDOW = 64
"""Batches within which episodes are sorted by length."""


def rate(step: int, steps: int) -> float:
    done = step / steps
    return PEAK * min(1.0, (step + 1) / WARM_UP) * (1.0 if done < 0.6 else max(0.02, (1 - done) / 0.4))


def loss_of(model: Decoder, batch: Batch, report: dict) -> torch.Tensor:
    logits, admission = model.answers(batch.context, batch.questions, batch.lengths, ANSWER_AT)
    wanted = torch.stack([batch.first, batch.second], dim=-1)
    asked = wanted >= 0
    loss = F.cross_entropy(logits[asked], wanted[asked])
    ends = batch.admission >= 0
    admitted = F.cross_entropy(admission[ends], batch.admission[ends])
    report["answers"] = (logits[asked].argmax(-1) == wanted[asked]).float().mean().item()
    report["admission"] = (admission[ends].argmax(-1) == batch.admission[ends]).float().mean().item()
    report["loss"] = loss.item()
    return loss + ADMISSION_WEIGHT * admitted if model.variant.admission else loss


def batches(episodes: list, order: random.Random):
    """Batches of one length, in the order of the file but for a window's chance."""
    for start in range(0, len(episodes), BATCH * WINDOW):
        window = sorted(episodes[start : start + BATCH * WINDOW], key=lambda one: one.length)
        groups = [window[at : at + BATCH] for at in range(0, len(window), BATCH)]
        order.shuffle(groups)
        yield from (group for group in groups if len(group) == BATCH)


def train(arguments: argparse.Namespace) -> None:
    variant = VARIANTS[arguments.variant]
    words = vocabulary(arguments.data)
    chance = np.random.default_rng(arguments.seed)
    begin(arguments.seed)
    model = Decoder(variant, words.size)

    def lesson(group: list, progress: float, report: dict) -> torch.Tensor:
        batch = batch_of(group)
        if variant.name_dropout and progress >= DROPOUT_FROM:
            drop_names(batch, words, chance)
        return loss_of(model, batch, report)

    fit(model, lesson, read(arguments.data / "train.bin")[: arguments.episodes], arguments)


def begin(seed: int) -> None:
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    torch.manual_seed(seed)


def fit(model: Decoder, lesson, episodes: list, arguments: argparse.Namespace) -> None:
    """Goes through the episodes once, and saves what it has come to every 500 steps and at the end.

    `lesson(group, progress, report)` is the loss of one batch at `progress` in [0, 1); what it puts into `report` is
    printed as means.
    """
    alphas = [one for name, one in model.named_parameters() if name.endswith("alpha")]
    others = [one for name, one in model.named_parameters() if not name.endswith("alpha")]
    groups = [{"params": others, "scale": 1.0}, {"params": alphas, "scale": ALPHA_SCALE}]
    optimizer = torch.optim.AdamW(groups, lr=PEAK, betas=(0.9, 0.98), weight_decay=0.01)
    steps = sum(1 for _ in batches(episodes, random.Random(0)))
    begun, used = time.time(), time.process_time()
    recent: list[dict] = []
    for step, group in enumerate(batches(episodes, random.Random(arguments.seed))):
        for parameters in optimizer.param_groups:
            parameters["lr"] = rate(step, steps) * parameters["scale"]
        recent.append({})
        loss = lesson(group, step / steps, recent[-1])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        spent = {"seconds": round(time.time() - begun), "cpu": round(time.process_time() - used)}
        done = {"steps": step + 1, "of": steps, **spent}
        if done["steps"] % 100 == 0:
            print(json.dumps({**done, **means(recent)}), flush=True)
            recent = []
        if done["steps"] % 500 == 0 or done["steps"] == steps:
            save(model, arguments, done)


def means(reports: list[dict]) -> dict:
    return {key: round(float(np.mean([one[key] for one in reports])), 4) for key in reports[0]}


def save(model: Decoder, arguments: argparse.Namespace, done: dict) -> None:
    """Writes the weights with where they come from. `steps` less than `of` marks a run that is under way."""
    arguments.out.mkdir(parents=True, exist_ok=True)
    about = {
        "variant": arguments.variant,
        "flags": model.variant.asdict(),
        "layers": len(model.layers),
        "seed": arguments.seed,
        **done,
        "episodes": done["steps"] * BATCH,
        "parameters": sum(one.numel() for one in model.parameters()),
        "data": json.loads((arguments.data / "data.json").read_text()),
        "revision": revision(),
    }
    path = arguments.out / f"{arguments.variant}-seed{arguments.seed}.pt"
    torch.save({"about": about, "vocabulary": model.words.num_embeddings, "weights": model.state_dict()}, path)


def revision() -> str:
    done = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, cwd=Path(__file__).parent)
    return done.stdout.strip() or "unknown"


def parsed(about: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--variant", choices=sorted(VARIANTS), required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--episodes", type=int, default=None, help="the first of the file, for a trial")
    parser.add_argument("--out", type=Path, required=True)
    return parser.parse_args()


if __name__ == "__main__":
    train(parsed(__doc__))
