"""Writes trained weights as ONNX with a manifest: `python3 export.py --data FOLDER RUN.pt ...`.
`--open` is for the runs of open text.

One self-contained file a variant, opset 14, any length T: inputs `input_ids`, `authority`, `kind` int64 [1, T]
and `principal_vec` float32 [1, T, 64]; outputs `logits` [1, T, V] and `admission` [1, T, 3]. The baselines' files have
only the inputs that they look at. Weights are kept in 16 bits and computed with in 32: a runtime widens them once, when
it opens the file. Each file is compared with PyTorch on cases of the benchmark before the manifest
names it; `src/channel/serving/manifest.ts` reads that manifest.

A model is called after its variant; one that had less training than `EPISODES` says so in its name
(`principal-48k`), so that only models of one budget are ever added up.
"""

import argparse
import hashlib
import json
import math
import warnings
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch

import episodes
import open_episodes
from evaluate import load
from model import Decoder

OPSET = 14
EPISODES = 96_000
"""The budget of the models that are called by their variant alone."""
SMALL = 64
"""Fewer numbers than these stay in 32 bits: shapes, constants, the slopes."""
WEIGHTS = Path(__file__).parent / "weights"
INPUTS = ("input_ids", "authority", "kind", "principal_vec")
OUTPUTS = ("logits", "admission")
TOLERANCE = 1e-4


def sequences(episode, stage=episodes):
    """The four tensors [1, T], [1, T], [1, T], [1, T, 64] of each question of an episode."""
    batch = stage.batch_of([episode])
    for question in range(batch.questions[0].shape[1]):
        yield tuple(
            torch.cat([context, asked[:, question]], dim=1) for context, asked in zip(batch.context, batch.questions)
        )


def export(model: Decoder, path: Path, example: tuple) -> None:
    with warnings.catch_warnings():
        # Constants in the trace, which are constants, and shapes that the exporter does not infer.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            model.eval(),
            example,
            str(path),
            input_names=list(INPUTS),
            output_names=list(OUTPUTS),
            opset_version=OPSET,
            dynamic_axes={name: {1: "T"} for name in inputs_of(model) + OUTPUTS},
        )


def halve(path: Path) -> None:
    """Keeps each large table in 16 bits, with a cast ahead of its use. The weights fit: `load` rounded them."""
    whole = onnx.load(str(path))
    graph = whole.graph
    casts = []
    for table in graph.initializer:
        values = onnx.numpy_helper.to_array(table)
        if values.dtype != np.float32 or values.size < SMALL:
            continue
        narrow = onnx.numpy_helper.from_array(values.astype(np.float16), f"{table.name}_16")
        casts.append(onnx.helper.make_node("Cast", [narrow.name], [table.name], to=onnx.TensorProto.FLOAT))
        table.CopyFrom(narrow)
    nodes = casts + list(graph.node)
    del graph.node[:]
    graph.node.extend(nodes)
    onnx.checker.check_model(whole)
    onnx.save(whole, str(path))


def name_of(about: dict) -> str:
    budget = about["episodes"]
    return about["variant"] if budget >= EPISODES else f"{about['variant']}-{budget // 1000}k"


def inputs_of(model: Decoder) -> tuple[str, ...]:
    """The inputs that a variant looks at: its file has no others."""
    return {"none": INPUTS[:1], "segments": INPUTS[:3], "principal": INPUTS}[model.variant.channel]


@torch.no_grad()
def greatest_difference(model: Decoder, path: Path, cases: list[tuple]) -> float:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    wanted = [one.name for one in session.get_inputs()]
    greatest = 0.0
    for case in cases:
        given = dict(zip(INPUTS, case))
        served = session.run(list(OUTPUTS), {name: given[name].numpy() for name in wanted})
        for ours, theirs in zip(model(*case), served):
            difference = float(np.abs(ours.numpy() - theirs).max())
            # NaN compares with nothing: it must not pass for a small difference.
            greatest = max(greatest, math.inf if math.isnan(difference) else difference)
    return greatest


def cases_of(folder: Path, count: int, is_open: bool) -> list[tuple]:
    """Questions of the held-out set, of long conversations and of attacks, a third each."""
    stage, long = (open_episodes, "messages-10") if is_open else (episodes, "messages-56")
    found = []
    for name in ("held-out", long, "span-quote-breakout"):
        of_set = [case for one in stage.read(folder / f"{name}.bin") for case in sequences(one, stage)]
        found += of_set[: count - 2 * (count // 3) if name == "held-out" else count // 3]
    return found


def main(arguments: argparse.Namespace) -> None:
    torch.set_num_threads(1)
    folder = arguments.out or (WEIGHTS / "open" if arguments.open else WEIGHTS)
    folder.mkdir(parents=True, exist_ok=True)
    cases = cases_of(arguments.data, arguments.cases, arguments.open)
    models = []
    for run in arguments.runs:
        model, about = load(run)
        name = name_of(about)
        path = folder / f"{name}-{about['seed']}.onnx"
        export(model, path, cases[0])
        halve(path)
        difference = greatest_difference(model, path, cases)
        if difference > TOLERANCE:
            raise SystemExit(f"{path.name}: differs from PyTorch by {difference}")
        if about["steps"] != about["of"]:
            print(json.dumps({"warning": "this training is not over", "steps": about["steps"]}))
        parity = {"cases": len(cases), "greatestDifference": difference}
        served = {"served": True} if path.stem == arguments.serve else {}
        models.append({"model": name, **served, **entry(about, path), "parity": parity})
        print(json.dumps({"written": path.name, "difference": difference, "bytes": path.stat().st_size}))
    words = json.loads((arguments.data / "vocabulary.json").read_text())
    manifest = {"benchmark": words["version"], "words": words["words"], "models": models}
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")


def entry(about: dict, path: Path) -> dict:
    """What the manifest says of one file: its digest, and the training that it comes from."""
    data = about["data"]
    training = {key: about[key] for key in ("flags", "seed", "steps", "episodes", "seconds", "parameters", "revision")}
    return {
        "file": path.name,
        "bytes": path.stat().st_size,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "opset": OPSET,
        "training": {**training, "dataSeed": data["seed"], "dataSha256": data["files"]["train.bin"]["sha256"]},
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--serve", help="of several trainings the one to be used, as `principal-2`; else the first")
    parser.add_argument("--cases", type=int, default=1000)
    parser.add_argument("--open", action="store_true", help="runs of `open_train.py`, on data of `write-open.ts`")
    parser.add_argument("--out", type=Path, help="`weights/`, or `weights/open/`, unless said otherwise")
    parser.add_argument("runs", nargs="+", type=Path)
    main(parser.parse_args())
