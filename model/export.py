"""Writes trained weights as ONNX with a manifest: `python3 export.py --data FOLDER --figures FILE.jsonl RUN.pt ...`.

One self-contained file a variant, opset 14, any length T: inputs `input_ids`, `authority`, `kind` int64 [1, T]
and `principal_vec` float32 [1, T, 64]; outputs `logits` [1, T, V] and `admission` [1, T, 3]. Variants that ignore
an input have it all the same, so that a server needs one way to ask. Each file is compared with PyTorch on
cases of the benchmark before the manifest names it.
"""

import argparse
import hashlib
import json
import math
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from torch import Tensor, nn

from episodes import Episode, batch_of, read
from evaluate import load
from model import Decoder

OPSET = 14
WEIGHTS = Path(__file__).parent / "weights"
INPUTS = ("input_ids", "authority", "kind", "principal_vec")
OUTPUTS = ("logits", "admission")
TOLERANCE = 1e-4


class Served(nn.Module):
    """The decoder with all four inputs in its graph, also where it ignores some: adding nothing to the logits."""

    def __init__(self, decoder: Decoder):
        super().__init__()
        self.decoder = decoder

    def forward(self, input_ids: Tensor, authority: Tensor, kind: Tensor, principal_vec: Tensor):
        logits, admission = self.decoder(input_ids, authority, kind, principal_vec)
        unused = (authority + kind).unsqueeze(-1).float() + principal_vec[:, :, :1]
        return logits + 0.0 * unused, admission


def sequences(episode: Episode):
    """The four tensors [1, T], [1, T], [1, T], [1, T, 64] of each question of an episode."""
    batch = batch_of([episode])
    for question in range(batch.questions[0].shape[1]):
        yield tuple(
            torch.cat([context, asked[:, question]], dim=1) for context, asked in zip(batch.context, batch.questions)
        )


def export(model: Decoder, path: Path, example: tuple) -> None:
    names = INPUTS + OUTPUTS
    torch.onnx.export(
        Served(model).eval(),
        example,
        str(path),
        input_names=list(INPUTS),
        output_names=list(OUTPUTS),
        opset_version=OPSET,
        dynamic_axes={name: {1: "T"} for name in names},
    )


@torch.no_grad()
def greatest_difference(model: Decoder, path: Path, cases: list[tuple]) -> float:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    greatest = 0.0
    for case in cases:
        served = session.run(list(OUTPUTS), {name: one.numpy() for name, one in zip(INPUTS, case)})
        for ours, theirs in zip(model(*case), served):
            greatest = max(greatest, float(np.abs(ours.numpy() - theirs).max()))
    return greatest


def cases_of(folder: Path, count: int) -> list[tuple]:
    """Questions of the held-out set, of long conversations and of attacks, a third each."""
    found = []
    for name in ("held-out", "messages-56", "span-quote-breakout"):
        of_set = [case for episode in read(folder / f"{name}.bin") for case in sequences(episode)]
        found += of_set[: count - 2 * (count // 3) if name == "held-out" else count // 3]
    return found


def main(arguments: argparse.Namespace) -> None:
    torch.set_num_threads(1)
    arguments.out.mkdir(parents=True, exist_ok=True)
    cases = cases_of(arguments.data, arguments.cases)
    figures = [json.loads(line) for line in arguments.figures.read_text().splitlines()] if arguments.figures else []
    models = []
    for run in arguments.runs:
        model, about = load(run)
        path = arguments.out / f"{about['variant']}.onnx"
        export(model, path, cases[0])
        difference = greatest_difference(model, path, cases)
        if difference > TOLERANCE:
            raise SystemExit(f"{path.name}: differs from PyTorch by {difference}")
        earned = [one for one in figures if (one["variant"], one["seed"]) == (about["variant"], about["seed"])]
        data = about.pop("data")
        models.append(
            {
                "model": about["variant"],
                "file": path.name,
                "bytes": path.stat().st_size,
                "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
                "opset": OPSET,
                "training": {**about, "benchmark": data["version"], "dataSeed": data["seed"]}
                | {"dataSha256": data["files"]["train.bin"]["sha256"]},
                "parity": {"cases": len(cases), "greatestDifference": difference},
                "figures": [{key: one[key] for key in one if key not in ("variant", "seed")} for one in earned],
            }
        )
        print(json.dumps({"written": str(path), "difference": difference, "bytes": path.stat().st_size}))
    manifest = {"about": "written by model/export.py", "models": models}
    (arguments.out / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--figures", type=Path, help="what evaluate.py printed, one JSON object a line")
    parser.add_argument("--cases", type=int, default=1000)
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    parser.add_argument("runs", nargs="+", type=Path)
    main(parser.parse_args())
