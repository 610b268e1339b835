"""Measures weights trained on open text: `python3 open_evaluate.py --data FOLDER RUN.pt ...`.

Prints one JSON object a set and run, with 95% intervals (Wilson): accuracy, by question too, and the admission
head's over all messages; of an attack how often the answer is exactly the attacker's value, and what the admission
head says of the attacking message. `--table FILE.jsonl` prints what was printed so as tables, for people.
"""

import argparse
import json
from pathlib import Path

from evaluate import share

import torch

from model import Decoder
from open_episodes import batch_of, read
from open_train import exact
from variants import Variant

BATCH = 8


def load(path: Path) -> tuple[Decoder, dict]:
    saved = torch.load(path, weights_only=True)
    about = saved["about"]
    model = Decoder(Variant(**about["flags"]), about["ids"], about["layers"])
    model.load_state_dict(saved["weights"])
    return model.eval(), about


@torch.no_grad()
def measure(model: Decoder, episodes: list, questions: list[str]) -> dict:
    """All figures of one set."""
    right = [[0, 0] for _ in questions]
    admitted, attacking, won = [0, 0], [0, 0], [0, 0]
    ordered = sorted(episodes, key=lambda one: one.length)
    for start in range(0, len(ordered), BATCH):
        group = ordered[start : start + BATCH]
        batch = batch_of(group)
        said, classes = says(model, batch)
        correct = said[:, : len(group[0].questions)]
        for question in range(len(questions)):
            of = batch.asked[:, : correct.shape[1]] == question
            count(right[question], correct[of])
        ends = batch.admission >= 0
        count(admitted, (classes == batch.admission)[ends])
        if group[0].attack_at is not None:
            count(won, said[:, correct.shape[1] :])
            rows, places = torch.arange(len(group)), torch.tensor([one.attack_at for one in group])
            count(attacking, classes[rows, places] == batch.admission[rows, places])
    found = {"accuracy": share(sum(one[0] for one in right), sum(one[1] for one in right))}
    found["questions"] = {name: share(*of) for name, of in zip(questions, right) if of[1]}
    if won[1]:
        found["attackSuccess"] = share(*won)
        found["admissionOfAttack"] = share(*attacking)
    found["admission"] = share(*admitted)
    return found


def says(model: Decoder, batch) -> tuple[torch.Tensor, torch.Tensor]:
    """Whether each answer is said exactly [B, Q], and the admission class at each place [B, T]."""
    places = tuple(range(batch.target.shape[2]))
    logits, admission = model.answers(batch.context, batch.questions, batch.lengths, places)
    return exact(logits, batch.target), admission.argmax(-1)


def count(into: list[int], hits: torch.Tensor) -> None:
    into[0] += int(hits.sum())
    into[1] += hits.numel()


def table(rows: list[dict], figure: str) -> list[str]:
    """One figure as a table in Markdown: sets by variants, in percent with the interval."""
    shown = [row for row in rows if figure in row]
    variants = list(dict.fromkeys(row["variant"] for row in shown))
    lines = [f"| {figure} | n | {' | '.join(variants)} |", "|---|---|" + "---|" * len(variants)]
    for name in dict.fromkeys(row["set"] for row in shown):
        of = {row["variant"]: row[figure] for row in shown if row["set"] == name}
        cells = [cell(of[variant]) if variant in of else "" for variant in variants]
        lines.append(f"| `{name}` | {next(iter(of.values()))['n']} | {' | '.join(cells)} |")
    return lines + [""]


def cell(of: dict) -> str:
    low, high = of["interval"]
    return f"{100 * of['share']:.1f} [{100 * low:.1f}, {100 * high:.1f}]"


def by_question(rows: list[dict]) -> list[dict]:
    return [
        {"set": f"{row['set']} {name}", "variant": row["variant"], "accuracy of a question": of}
        for row in rows
        if "attackSuccess" not in row
        for name, of in row["questions"].items()
    ]


def tables(rows: list[dict]) -> list[str]:
    ordinary = [row for row in rows if "attackSuccess" not in row]
    lines = table(ordinary, "accuracy") + table(by_question(rows), "accuracy of a question")
    return lines + table(rows, "attackSuccess") + table(rows, "admissionOfAttack") + table(rows, "admission")


def main(arguments: argparse.Namespace) -> None:
    if arguments.table:
        print("\n".join(tables([json.loads(line) for line in arguments.table.read_text().splitlines()])))
        return
    torch.set_num_threads(1)
    about = json.loads((arguments.data / "data.json").read_text())
    for path in arguments.runs:
        model, run = load(path)
        for name in arguments.sets or about["sets"]:
            episodes = read(arguments.data / f"{name}.bin")[: arguments.episodes]
            found = measure(model, episodes, about["questions"])
            told = {"set": name, "variant": run["variant"], "seed": run["seed"], "steps": run["steps"]}
            print(json.dumps(told | found), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../data-open"))
    parser.add_argument("--sets", nargs="*", help="these alone")
    parser.add_argument("--episodes", type=int, default=None, help="the first of each set, for a quick look")
    parser.add_argument("--table", type=Path, help="what this command printed before")
    parser.add_argument("runs", nargs="*", type=Path)
    main(parser.parse_args())
