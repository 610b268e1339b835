"""Measures trained weights on the sets of the benchmark: `python3 evaluate.py --data FOLDER RUN.pt ...`.

Prints one JSON object a set and run: accuracy with its 95% interval (Wilson), each question's accuracy, the
attack's success, and the admission head's accuracy over all messages and over attacking messages.
"""

import argparse
import json
import math
import os
from pathlib import Path

os.environ.setdefault("OPENBLAS_CORETYPE", "SkylakeX" if "avx512f" in Path("/proc/cpuinfo").read_text() else "Haswell")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import torch

from episodes import ANSWER_AT, batch_of, read
from model import LAYERS, Decoder
from variants import Variant

BATCH = 16
QUESTIONS = ("get", "who", "may", "mine")


def load(path: Path) -> tuple[Decoder, dict]:
    """A trained model and where it comes from. Its weights are those that are exported: rounded to 16 bits."""
    saved = torch.load(path)
    about = saved["about"]
    model = Decoder(Variant(**about["flags"]), saved["vocabulary"], about.get("layers", LAYERS))
    model.load_state_dict({name: weight.half().float() for name, weight in saved["weights"].items()})
    return model.eval(), about


def wilson(hits: int, n: int) -> list[float]:
    """The 95% interval of a share."""
    if n == 0:
        return [0.0, 1.0]
    z, p = 1.959964, hits / n
    middle, scale = p + z * z / (2 * n), 1 + z * z / n
    spread = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return [round(max(0.0, (middle - spread) / scale), 5), round(min(1.0, (middle + spread) / scale), 5)]


def share(hits: int, n: int) -> dict:
    return {"hits": hits, "n": n, "share": round(hits / n, 5) if n else None, "interval": wilson(hits, n)}


@torch.no_grad()
def measure(model: Decoder, episodes: list) -> dict:
    """All figures of one set. An answer is right if each of its words is."""
    right = [[0, 0] for _ in QUESTIONS]
    admitted, attacking, won = [0, 0], [0, 0], [0, 0]
    ordered = sorted(episodes, key=lambda one: one.length)
    for start in range(0, len(ordered), BATCH):
        batch = batch_of(ordered[start : start + BATCH])
        logits, admission = model.answers(batch.context, batch.questions, batch.lengths, ANSWER_AT)
        said = logits.argmax(-1)
        second = (batch.second < 0) | (said[:, :, 1] == batch.second)
        correct = (said[:, :, 0] == batch.first) & second
        for question in range(len(QUESTIONS)):
            of = batch.asked == question
            right[question][0] += int(correct[of].sum())
            right[question][1] += int(of.sum())
        attack = batch.wanted >= 0
        won[0] += int((said[:, :, 0] == batch.wanted)[attack].sum())
        won[1] += int(attack.sum())
        classes = admission.argmax(-1)
        ends = batch.admission >= 0
        admitted[0] += int((classes == batch.admission)[ends].sum())
        admitted[1] += int(ends.sum())
        for row in range(len(batch.lengths)):
            at = int(batch.attack_at[row])
            if at >= 0:
                attacking[0] += int(classes[row, at] == batch.admission[row, at])
                attacking[1] += 1
    found = {"accuracy": share(sum(one[0] for one in right), sum(one[1] for one in right))}
    found["questions"] = {name: share(*of) for name, of in zip(QUESTIONS, right) if of[1]}
    if won[1]:
        found["attackSuccess"] = share(*won)
        found["admissionOfAttack"] = share(*attacking)
    found["admission"] = share(*admitted)
    return found


def sets(folder: Path) -> list[str]:
    files = json.loads((folder / "data.json").read_text())["files"]
    return [name.removesuffix(".bin") for name in files if name != "train.bin"]


def main(arguments: argparse.Namespace) -> None:
    torch.set_num_threads(1)
    for path in arguments.runs:
        model, about = load(path)
        for name in arguments.sets or sets(arguments.data):
            found = measure(model, read(arguments.data / f"{name}.bin")[: arguments.episodes])
            print(json.dumps({"set": name, "variant": about["variant"], "seed": about["seed"], **found}), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--sets", nargs="*", help="these alone")
    parser.add_argument("--episodes", type=int, default=None, help="the first of each set, for a quick look")
    parser.add_argument("runs", nargs="+", type=Path)
    main(parser.parse_args())
