"""Run with `python3 -m unittest` in this folder: needs no data and takes seconds."""

import tempfile
import unittest
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch

import patch
from episodes import ANSWER_AT, SPAN, Batch, Vocabulary, drop_names, vectors_of
from evaluate import wilson
from model import KIND_ASSISTANT, KIND_DATA, KIND_HEADER, KIND_QUOTED, KIND_UTTERANCE, VECTOR, Decoder, segments
from train import rate
from variants import VARIANTS

VOCABULARY = 90


def signs(*shape: int) -> torch.Tensor:
    return (torch.randint(2, (*shape, VECTOR)).float() * 2 - 1) / 8


def conversation(length: int, principals: int = 4):
    """Random ids, authority, kind [1, T] and the vectors [1, T, 64] of a few principals."""
    table = signs(principals)
    return (
        torch.randint(VOCABULARY, (1, length)),
        torch.randint(6, (1, length)),
        torch.randint(5, (1, length)),
        table[torch.randint(principals, (1, length))],
    )


class DecoderTest(unittest.TestCase):
    def setUp(self):
        torch.manual_seed(7)

    def test_many_questions_at_once_are_as_each_alone(self):
        for name, variant in VARIANTS.items():
            model = Decoder(variant, VOCABULARY).eval()
            lengths, questions = (23, 31), 3
            talks = [conversation(length) for length in lengths]
            asked = [[conversation(SPAN) for _ in range(questions)] for _ in lengths]
            padded = tuple(
                torch.cat([pad(one[at], max(lengths)) for one in talks]) for at in range(4)
            )
            grouped = tuple(
                torch.stack([torch.cat([one[at] for one in row]) for row in asked]) for at in range(4)
            )
            with torch.no_grad():
                logits, admission = model.answers(padded, grouped, torch.tensor(lengths), ANSWER_AT)
                for row, talk in enumerate(talks):
                    for column, question in enumerate(asked[row]):
                        whole = tuple(torch.cat([a, b], dim=1) for a, b in zip(talk, question))
                        alone, admitted = model(*whole)
                        wanted = alone[0, lengths[row] :][list(ANSWER_AT)]
                        torch.testing.assert_close(logits[row, column], wanted, atol=2e-5, rtol=1e-4, msg=name)
                        torch.testing.assert_close(
                            admission[row, : lengths[row]], admitted[0, : lengths[row]], atol=2e-5, rtol=1e-4
                        )

    def test_no_token_sees_a_later_one(self):
        model = Decoder(VARIANTS["principal-all"], VOCABULARY).eval()
        ids, authority, kind, vectors = conversation(20)
        with torch.no_grad():
            before = model(ids, authority, kind, vectors)[0][:, :12]
            ids[:, 12:] = (ids[:, 12:] + 1) % VOCABULARY
            after = model(ids, authority, kind, vectors.roll(1, 1).where(torch.arange(20)[None, :, None] >= 12, vectors))[0]
        self.assertTrue(torch.equal(before, after[:, :12]))

    def test_a_baseline_is_blind_to_what_it_is_not_told(self):
        ids, authority, kind, vectors = conversation(20)
        other = (authority + 1) % 6, (kind + 1) % 5, signs(1, 20)
        text, principal = (Decoder(VARIANTS[name], VOCABULARY).eval() for name in ("text", "principal-input"))
        with torch.no_grad():
            self.assertTrue(torch.equal(text(ids, authority, kind, vectors)[0], text(ids, *other)[0]))
            self.assertFalse(torch.equal(principal(ids, authority, kind, vectors)[0], principal(ids, *other)[0]))

    def test_the_relation_knows_two_principals_below_the_collision_threshold_as_different(self):
        model = Decoder(VARIANTS["principal"], VOCABULARY)
        one = signs(1, 1)
        other = one.clone()
        other[..., :17] *= -1
        pair = torch.cat([one, other], dim=1)
        relation = model.relation(pair, pair)[0, 0]
        self.assertEqual(relation.tolist(), [[1, 0], [0, 1]])

    def test_segments_are_those_of_instructional_segment_embedding(self):
        rows = [
            (5, KIND_UTTERANCE, 0),
            (5, KIND_QUOTED, 2),
            (3, KIND_HEADER, 1),
            (0, KIND_UTTERANCE, 2),
            (0, KIND_DATA, 2),
            (3, KIND_ASSISTANT, 3),
        ]
        authority, kind, want = (torch.tensor(column)[None] for column in zip(*rows))
        self.assertEqual(segments(authority, kind).tolist(), want.tolist())


class PatchTest(unittest.TestCase):
    def setUp(self):
        torch.manual_seed(7)
        self.decoder = patch.Reference(VOCABULARY)
        self.ids, authority, kind, vectors = conversation(40)
        self.channel = patch.Channel(authority, kind, vectors)

    def test_an_untrained_patch_changes_no_bit(self):
        patched = patch.Patched(self.decoder)
        self.assertTrue(torch.equal(patched(self.ids, self.channel), self.decoder(self.ids)))

    def test_training_reaches_each_part_of_the_patch_and_leaves_the_decoder(self):
        patched = patch.Patched(self.decoder)
        kept = [one.clone() for one in self.decoder.parameters()]
        optimizer = torch.optim.SGD(patched.channel_parameters(), lr=0.5)
        for _ in range(2):
            optimizer.zero_grad()
            patched(self.ids, self.channel).square().mean().backward()
            optimizer.step()
        for parameter in patched.channel_parameters():
            self.assertGreater(float(parameter.detach().abs().sum()), 0)
        for before, after in zip(kept, self.decoder.parameters()):
            self.assertTrue(torch.equal(before, after))
        self.assertFalse(torch.equal(patched(self.ids, self.channel), self.decoder(self.ids)))


class NamesTest(unittest.TestCase):
    """Ids: 1 `<msg>`, 2 `<end>`, 3 `set`, 4 `my`, 5 a role, 6 a question, 10 to 13 keys, 20 to 29 values, 30 and up names."""

    words = Vocabulary(60, np.arange(30, 54), 30, who=1, message=1, directives=(3, 4), version="test")

    def batch(self, *messages: tuple[int, list[int], int]) -> Batch:
        """Of messages (author's name word, body, admission), and one question each: who set key 10, who key 11."""
        ids, kind, admission = [], [], []
        for name, body, admitted in messages:
            ids += [1, name, name + 1, 5, *body, 2]
            kind += [0, 0, 0, 0, *[1] * len(body), 0]
            admission += [-1] * (4 + len(body)) + [admitted]
        asked = [[1, 30, 31, 5, 6, key, 2, 7, 40] for key in (10, 11)]
        row = torch.tensor([ids])
        nothing = torch.full((1, 2), -1)
        return Batch(
            context=(row, row, torch.tensor([kind]), signs(1, len(ids))),
            questions=(torch.tensor([asked]), None, torch.tensor([[[0, 0, 0, 0, 1, 1, 0, 4, 4]] * 2]), None),
            lengths=torch.tensor([len(ids)]),
            admission=torch.tensor([admission]),
            first=torch.tensor([[40, 40]]),
            second=torch.tensor([[41, 41]]),
            wanted=nothing,
            asked=torch.tensor([[1, 1]]),
            attack_at=torch.tensor([-1]),
        )

    def test_who_is_answered_by_the_name_that_the_standing_directive_prints(self):
        refused, effect, none = 0, 1, 2
        said = [
            (32, [3, 10, 20], effect),
            (34, [3, 10, 21, 3, 11, 22], effect),
            (36, [3, 11, 23], refused),
            (38, [4, 11, 24], effect),
            (40, [3, 11, 25], none),
        ]
        answers = set()
        for seed in range(20):
            batch = self.batch(*said)
            drop_names(batch, self.words, np.random.default_rng(seed), share=1.0)
            ids = batch.context[0][0].tolist()
            if int(batch.first[0][0]) == -1:
                self.assertEqual(len({ids[at + 1] for at, one in enumerate(ids) if one == 1}), 1)
                continue
            second = [at for at, one in enumerate(ids) if one == 1][1]
            answers.add(ids[second + 1])
            # Key 10 was set last by the first message: the second one's own directive is its last, of key 11.
            self.assertEqual([int(batch.first[0][0]), int(batch.second[0][0])], ids[1:3])
            self.assertEqual([int(batch.first[0][1]), int(batch.second[0][1])], ids[second + 1 : second + 3])
            self.assertEqual(batch.questions[0][0][:, 8].tolist(), [ids[1], ids[second + 1]])
        self.assertGreater(len(answers), 3)

    def test_a_conversation_that_is_spared_keeps_its_names(self):
        batch = self.batch((32, [3, 10, 20], 1))
        before = batch.context[0].clone()
        drop_names(batch, self.words, np.random.default_rng(1), share=0.0)
        self.assertTrue(torch.equal(before, batch.context[0]))


class FiguresTest(unittest.TestCase):
    def test_wilson(self):
        self.assertEqual(wilson(0, 600), [0.0, 0.00636])
        self.assertEqual(wilson(600, 600), [0.99364, 1.0])
        self.assertEqual(wilson(0, 0), [0.0, 1.0])

    def test_the_rate_warms_up_stays_and_falls(self):
        steps = 1000
        self.assertLess(rate(0, steps), rate(99, steps))
        self.assertEqual(rate(99, steps), rate(599, steps))
        self.assertLess(rate(999, steps), rate(700, steps))

    def test_bits_become_signs_lowest_first(self):
        bits = np.array([[1, 0, 0, 0, 0, 0, 0, 128]], np.uint8)
        row = vectors_of(bits)[0]
        self.assertEqual([int(np.sign(row[at])) for at in (0, 1, 62, 63)], [1, -1, -1, 1])
        self.assertEqual(set(np.abs(row)), {0.125})


@unittest.skipUnless(find_spec("onnxruntime"), "onnxruntime is not installed")
class ExportTest(unittest.TestCase):
    def test_the_exported_file_answers_as_the_decoder_at_any_length(self):
        from export import TOLERANCE, export, greatest_difference

        torch.manual_seed(7)
        for name in ("text", "ise3", "principal-all"):
            model = Decoder(VARIANTS[name], VOCABULARY).eval()
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "model.onnx"
                export(model, path, conversation(30))
                difference = greatest_difference(model, path, [conversation(length) for length in (5, 30, 200)])
            self.assertLessEqual(difference, TOLERANCE, name)

    def test_a_difference_that_is_no_number_does_not_pass(self):
        from export import greatest_difference

        class Broken(torch.nn.Module):
            def forward(self, *_):
                return torch.full((1, 5, VOCABULARY), float("nan")), torch.zeros(1, 5, 3)

        from export import export

        model = Decoder(VARIANTS["text"], VOCABULARY).eval()
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.onnx"
            export(model, path, conversation(5))
            self.assertEqual(greatest_difference(Broken(), path, [conversation(5)]), float("inf"))


def pad(of: torch.Tensor, length: int) -> torch.Tensor:
    """Zeros at the end of the second dimension."""
    made = torch.zeros(1, length, *of.shape[2:], dtype=of.dtype)
    made[:, : of.shape[1]] = of
    return made


if __name__ == "__main__":
    unittest.main()
