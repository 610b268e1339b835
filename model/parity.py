"""Writes what PyTorch says as vectors: `python3 parity.py --data FOLDER RUN.pt`.

The cases are named by set and seed alone: whoever checks draws them anew (`bench/channel/sets.ts`), so that the
tensors are compared too. For each question `vectors/channel/logits.bin` has the logits [V] at `<ans>` and the
admission [3] at the last message's `<end>`, float32 little-endian, in the order of `cases.json`.
"""

import argparse
import hashlib
import json
from pathlib import Path

import numpy as np
import torch

from episodes import read
from evaluate import load
from export import sequences

SETS = {"held-out": 500, "messages-28": 100, "same-name-and-role": 100, "smuggled-breakout": 150, "span-quote-nested": 150}
"""Questions of each: 1,000 together."""
VECTORS = Path(__file__).parent.parent / "vectors" / "channel"


@torch.no_grad()
def main(arguments: argparse.Namespace) -> None:
    torch.set_num_threads(1)
    model, about = load(arguments.run)
    rows, counts = [], {}
    for name, wanted in SETS.items():
        cases = [
            (case, episode.length) for episode in read(arguments.data / f"{name}.bin") for case in sequences(episode)
        ][:wanted]
        if len(cases) < wanted:
            raise SystemExit(f"{name}: {len(cases)} cases, {wanted} are wanted")
        counts[name] = wanted
        for case, length in cases:
            logits, admission = model(*case)
            # The conversation's last token is its last `<end>`; the answer's first word stands behind `<ans>`.
            rows.append(torch.cat([logits[0, -2], admission[0, length - 1]]).numpy())
    arguments.out.mkdir(parents=True, exist_ok=True)
    data = np.stack(rows).astype("<f4").tobytes()
    (arguments.out / "logits.bin").write_bytes(data)
    cases = {
        "model": about["variant"],
        "benchmark": about["data"]["version"],
        "seed": f"held-out {about['data']['seed']}",
        "sets": counts,
        "sha256": hashlib.sha256(data).hexdigest(),
    }
    (arguments.out / "cases.json").write_text(json.dumps(cases, indent=2) + "\n")
    print(json.dumps({"cases": len(rows), "bytes": len(data)}))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=VECTORS)
    parser.add_argument("run", type=Path)
    main(parser.parse_args())
