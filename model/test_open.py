"""Run with `python3 -m unittest` in this folder: needs no data and takes seconds."""

import struct
import tempfile
import unittest
from pathlib import Path

import numpy as np
import torch

from model import LAYERS, Decoder
from open_episodes import batch_of, read
from open_train import exact, loss_of
from variants import VARIANTS

END, ANSWER = 2, 6
IDS = 768


def record(ids: list[int], questions: list[tuple], attack_at: int = 65535) -> bytes:
    """A chat of one message by slot 2; `questions` are (ids, place of `<ans>`, wanted)."""
    length = len(ids)
    head = struct.pack("<HBBH", length, 4, len(questions), attack_at)
    rows = bytes([3] * length) + bytes([1] * length) + bytes([2] * length) + bytes([255] * (length - 1) + [1])
    asked = b"".join(
        bytes([len(one), at, 4, 3, 0, len(wanted)]) + words(one) + bytes([0] * at + [4] * (len(one) - at)) + words(wanted)
        for one, at, wanted in questions
    )
    return head + bytes(range(32)) + words(ids) + rows + asked


def words(ids: list[int]) -> bytes:
    return struct.pack(f"<{len(ids)}H", *ids)


def episodes(*records: bytes) -> list:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "set.bin"
        path.write_bytes(b"".join(records))
        return read(path)


class EpisodesTest(unittest.TestCase):
    def setUp(self):
        asked = [([1, 300, END, ANSWER, 700, 701, END], 3, [500, END]), ([1, 301, END, ANSWER, 40, END], 3, [500, END])]
        self.found = episodes(record([1, 400, 767, END], asked, attack_at=3), record([1, END], asked, attack_at=1))

    def test_a_record_is_read_as_it_was_written(self):
        first, second = self.found
        self.assertEqual(first.ids.tolist(), [1, 400, 767, END])
        self.assertEqual(first.rows.tolist(), [[3] * 4, [1] * 4, [2] * 4, [255, 255, 255, 1]])
        self.assertEqual(first.bits.tolist(), np.arange(32).reshape(4, 8).tolist())
        self.assertEqual((first.attack_at, second.attack_at, second.length), (3, 1, 2))
        self.assertEqual([one.ids.tolist() for one in second.questions][1], [1, 301, END, ANSWER, 40, END])

    def test_the_target_is_the_answer_up_to_its_end_and_nothing_else(self):
        batch = batch_of(self.found)
        self.assertEqual(batch.target[0, 0].tolist(), [-1, -1, -1, 700, 701, END, -1])
        self.assertEqual(batch.target[1, 1].tolist(), [-1, -1, -1, 40, END, -1, -1])
        self.assertEqual(batch.lengths.tolist(), [4, 2])
        self.assertEqual(batch.admission.tolist(), [[-1, -1, -1, 1], [-1, 1, -1, -1]])
        self.assertEqual(batch.questions[1].unique().tolist(), [4])
        self.assertTrue(torch.equal(batch.questions[3][0, 0, 0], batch.questions[3][1, 1, 4]))

    def test_behind_the_true_answers_stand_the_wanted_ones(self):
        batch = batch_of(self.found)
        self.assertEqual(batch.target.shape[1], 4)
        self.assertEqual(batch.target[0, 2].tolist(), [-1, -1, -1, 500, END, -1, -1])
        self.assertEqual(batch.questions[0][0, 2].tolist(), [1, 300, END, ANSWER, 500, END, 0])
        self.assertEqual(batch.questions[2][0, 2].tolist(), [0, 0, 0, 4, 4, 4, 0])


class ExactTest(unittest.TestCase):
    def test_an_answer_is_right_only_if_each_of_its_tokens_is(self):
        target = torch.tensor([[[-1, 3, 2], [-1, 3, 2], [-1, -1, 1]]])
        logits = torch.zeros(1, 3, 3, 5)
        for question, said in enumerate(([4, 3, 2], [4, 3, 1], [4, 4, 1])):
            for place, token in enumerate(said):
                logits[0, question, place, token] = 1
        self.assertEqual(exact(logits, target).tolist(), [[True, False, True]])


class DepthTest(unittest.TestCase):
    def test_the_number_of_layers_is_a_choice_and_the_closed_vocabulary_keeps_its_own(self):
        self.assertEqual(len(Decoder(VARIANTS["principal"], 90).layers), LAYERS)
        deep = Decoder(VARIANTS["principal-air"], 90, 6)
        self.assertEqual((len(deep.layers), len(deep.channels)), (6, 6))

    def test_training_lowers_the_loss(self):
        torch.manual_seed(3)
        model = Decoder(VARIANTS["principal"], IDS, 2)
        batch = batch_of(episodes(record([1, 400, 401, END], [([1, END, ANSWER, 401, END], 2, [])])))
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
        losses = []
        for _ in range(12):
            loss = loss_of(model, batch, {})
            losses.append(loss.item())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        self.assertLess(losses[-1], losses[0] / 4)


if __name__ == "__main__":
    unittest.main()
