"""A small decoder with the principal channel.

Input, all of length T: `input_ids`, `authority`, `kind` int64 [B, T], `principal_vec` float32 [B, T, 64].
Output: `logits` [B, T, V] of the next word, `admission` [B, T, 3], to be read at each message's `<end>`.

The words enter as `E_tok + E_authority + E_kind + W principal_vec`. Each layer mixes a token with the three
before it, then attends with four heads: two by softmax with a distance penalty (ALiBi; one has none) and two
by stick-breaking, which takes the latest key that matches and so does not depend on the length. Every head may
carry `alpha * max(0, 2 v_i.v_j - 1)`: 1 for one principal, and 0 for two, since the control plane re-keys a
conversation in which two vectors have a cosine of 0.5 or more.

`Decoder.forward` is what is exported. `Decoder.answers` is the same computation for training: the conversation
once, and many questions that see it but not each other. A test holds the two together.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from variants import Variant

WIDTH = 96
HEADS = 4
LAYERS = 4
MIXED = 3
VECTOR = 64
LEVELS = 8
KINDS = 5
SOFT_SLOPES = (0.0, 0.5)
"""Distance penalties of the softmax heads; the remaining heads break sticks."""

KIND_HEADER, KIND_UTTERANCE, KIND_QUOTED, KIND_DATA, KIND_ASSISTANT = range(5)
AUTHORITY_SYSTEM = 5


class Channel(nn.Module):
    """What the residual stream is told of each token beside its word: [B, T, WIDTH]."""

    def __init__(self, variant: Variant):
        super().__init__()
        self.channel = variant.channel
        if self.channel == "segments":
            self.segment = embedding(4, 0.3)
        elif self.channel == "principal":
            self.authority = embedding(LEVELS, 0.1)
            self.kind = embedding(KINDS, 0.1)
            self.identity = nn.Linear(VECTOR, WIDTH, bias=False)
            # A larger start (0.2) drowns the words and learning stalls.
            nn.init.normal_(self.identity.weight, std=0.03)

    def forward(self, authority: Tensor, kind: Tensor, vectors: Tensor) -> Tensor:
        if self.channel == "segments":
            return self.segment(segments(authority, kind))
        return self.authority(authority) + self.kind(kind) + self.identity(vectors)


def segments(authority: Tensor, kind: Tensor) -> Tensor:
    """The classes of Instructional Segment Embedding: 0 system, 1 user, 2 data, 3 assistant. [B, T]."""
    segment = torch.ones_like(kind)
    segment = torch.where(authority == AUTHORITY_SYSTEM, torch.zeros_like(kind), segment)
    data = (authority == 0) | (kind == KIND_QUOTED) | (kind == KIND_DATA)
    segment = torch.where(data, torch.full_like(kind, 2), segment)
    return torch.where(kind == KIND_ASSISTANT, torch.full_like(kind, 3), segment)


class View:
    """What a run of tokens may look at: masks, distances and relations, shared by all layers.

    `soft` [B or 1, 2, Q, K] is added to the softmax heads' scores, `open` [B or 1, 1, Q, K] is 1 where a
    stick-breaking head may look (strictly before), `later` [K, K] is 1 where the row's key is after the
    column's, `same` [B, 1, Q, K] or None is the relation.
    """

    def __init__(self, distance: Tensor, allowed: Tensor, same):
        slopes = torch.tensor(SOFT_SLOPES, device=distance.device).view(1, -1, 1, 1)
        hidden = (~allowed).unsqueeze(1).float() * -1e9
        self.soft = hidden - slopes * distance.unsqueeze(1).float()
        self.open = (allowed & (distance > 0)).unsqueeze(1).float()
        keys = torch.arange(distance.shape[-1], device=distance.device)
        self.later = (keys[:, None] > keys[None, :]).float()
        self.same = same


class Layer(nn.Module):
    def __init__(self, relation: bool):
        super().__init__()
        self.before = nn.LayerNorm(WIDTH)
        self.mix = nn.Parameter(torch.tensor([0.5, 0.3, 0.2])[:, None].repeat(1, WIDTH))
        self.qkv = nn.Linear(WIDTH, 3 * WIDTH, bias=False)
        self.out = nn.Linear(WIDTH, WIDTH, bias=False)
        self.between = nn.LayerNorm(WIDTH)
        self.widen = nn.Linear(WIDTH, 4 * WIDTH)
        self.narrow = nn.Linear(4 * WIDTH, WIDTH)
        # Sticks start nearly whole, else the nearest tokens use them up before anything is learned.
        self.reluctance = nn.Parameter(torch.full((HEADS - len(SOFT_SLOPES),), -2.0))
        self.alpha = nn.Parameter(torch.tensor([0.0, 1.0, 0.0, 1.0])) if relation else None

    def project(self, x: Tensor, ahead: Tensor):
        """Queries, keys and values [N, HEADS, T, WIDTH / HEADS] of x [N, T, WIDTH].

        `ahead` [N, MIXED, WIDTH] are the tokens before x, already normed.
        """
        normed = self.before(x)
        length = x.shape[1]
        padded = torch.cat([ahead, normed], dim=1)
        mixed = normed
        for back in range(MIXED):
            mixed = mixed + padded[:, MIXED - 1 - back : MIXED - 1 - back + length] * self.mix[back]
        shaped = self.qkv(mixed).view(x.shape[0], length, 3, HEADS, WIDTH // HEADS).permute(2, 0, 3, 1, 4)
        return shaped[0] / math.sqrt(WIDTH // HEADS), shaped[1], shaped[2]

    def weights(self, scores: Tensor, view: View) -> Tensor:
        """Attention [B, HEADS, Q, K] from scores of the same shape."""
        if self.alpha is not None:
            scores = scores + self.alpha.view(1, -1, 1, 1) * view.same
        soft = len(SOFT_SLOPES)
        attention = torch.softmax(scores[:, :soft] + view.soft, dim=-1)
        sticks = scores[:, soft:] + self.reluctance.view(1, -1, 1, 1)
        # log sigmoid, in operators that a runtime has fast ones for. As ONNX writes `logsigmoid`, it is a logarithm
        # of what may have become 0; by `softplus` it takes a third longer at 128 tokens.
        breaks = sticks.clamp(max=0.0) - torch.log(1.0 + torch.exp(-sticks.abs()))
        left = torch.matmul((breaks - sticks) * view.open, view.later)
        return torch.cat([attention, torch.exp(breaks + left) * view.open], dim=1)

    def finish(self, x: Tensor, gathered: Tensor) -> Tensor:
        """The rest of the layer; `gathered` [N, T, WIDTH]."""
        x = x + self.out(gathered)
        return x + self.narrow(F.relu(self.widen(self.between(x))))

    def forward(self, x: Tensor, view: View) -> Tensor:
        ahead = torch.zeros_like(x[:, :1]).repeat(1, MIXED, 1)
        q, k, v = self.project(x, ahead)
        weights = self.weights(torch.matmul(q, k.transpose(2, 3)), view)
        return self.finish(x, joined(torch.matmul(weights, v)))


class Decoder(nn.Module):
    def __init__(self, variant: Variant, vocabulary: int, layers: int = LAYERS):
        super().__init__()
        self.variant = variant
        self.words = embedding(vocabulary, 0.3)
        self.layers = nn.ModuleList([Layer(variant.relation) for _ in range(layers)])
        count = 0 if variant.channel == "none" else layers if variant.every_layer else 1
        self.channels = nn.ModuleList([Channel(variant) for _ in range(count)])
        self.norm = nn.LayerNorm(WIDTH)
        self.head = nn.Linear(WIDTH, vocabulary)
        self.admission = nn.Linear(WIDTH, 3)

    def forward(self, input_ids: Tensor, authority: Tensor, kind: Tensor, principal_vec: Tensor):
        x = self.words(input_ids)
        view = self.causal(input_ids, principal_vec)
        for depth, layer in enumerate(self.layers):
            x = layer(self.told(depth, x, (authority, kind, principal_vec)), view)
        x = self.norm(x)
        return self.head(x), self.admission(x)

    def answers(self, context: tuple, questions: tuple, lengths: Tensor, at: tuple):
        """Logits [B, Q, len(at), V] at the places `at` of each question, and admission [B, T, 3] of the context.

        `context` holds ids, authority, kind [B, T] and vectors [B, T, 64], padded at the end; `lengths` [B].
        `questions` holds the same with shapes [B, Q, S] and [B, Q, S, 64].
        """
        size, count, span = questions[0].shape
        flat = tuple(one.flatten(0, 1) for one in questions)
        x, y = self.words(context[0]), self.words(flat[0])
        view = self.causal(context[0], context[3])
        asking = self.asking(context[3], questions[3], lengths)
        last = (lengths[:, None] - MIXED + torch.arange(MIXED))[:, :, None].expand(-1, -1, WIDTH)
        for depth, layer in enumerate(self.layers):
            x = self.told(depth, x, context[1:])
            y = self.told(depth, y, flat[1:])
            q, k, v = layer.project(x, torch.zeros_like(x[:, :MIXED]))
            weights = layer.weights(torch.matmul(q, k.transpose(2, 3)), view)
            ahead = torch.gather(layer.before(x), 1, last)
            ahead = ahead[:, None].expand(-1, count, -1, -1).flatten(0, 1)
            asked, own_k, own_v = layer.project(y, ahead)
            to_context = torch.matmul(grouped(asked, size), k.transpose(2, 3))
            to_own = grouped(torch.matmul(asked, own_k.transpose(2, 3)), size)
            heads = layer.weights(torch.cat([to_context, to_own], dim=-1), asking)
            on_context, on_own = heads.split([k.shape[2], span], dim=-1)
            seen = torch.matmul(ungrouped(on_own, count), own_v)
            seen = seen + ungrouped(torch.matmul(on_context, v), count)
            x = layer.finish(x, joined(torch.matmul(weights, v)))
            y = layer.finish(y, joined(seen))
        y = self.norm(y).view(size, count, span, WIDTH)[:, :, list(at)]
        return self.head(y), self.admission(self.norm(x))

    def told(self, depth: int, x: Tensor, channel: tuple) -> Tensor:
        return x + self.channels[depth](*channel) if depth < len(self.channels) else x

    def causal(self, ids: Tensor, vectors: Tensor) -> View:
        # The words give the length: a variant without the channel has no vectors once it is exported.
        places = torch.arange(ids.shape[1], device=ids.device)
        distance = places[None, :, None] - places[None, None, :]
        return View(distance, distance >= 0, self.relation(vectors, vectors))

    def asking(self, context: Tensor, questions: Tensor, lengths: Tensor) -> View:
        """Questions see the whole context and their own tokens: keys are the context, then one's own block."""
        size, count, span, _ = questions.shape
        own = torch.arange(span)
        places = torch.arange(context.shape[1])
        to_context = (lengths[:, None] + own[None, :])[:, :, None] - places[None, None, :]
        inside = (places[None, None, :] < lengths[:, None, None]).expand(-1, span, -1)
        to_own = (own[:, None] - own[None, :]).expand(size, -1, -1)
        distance = torch.cat([to_context, to_own], dim=-1).repeat(1, count, 1)
        allowed = torch.cat([inside, to_own >= 0], dim=-1).repeat(1, count, 1)
        # What a pad token's distance would be does not matter, so long as it is a number.
        distance = torch.where(allowed, distance, torch.zeros_like(distance))
        same = None
        if self.variant.relation:
            flat = questions.flatten(1, 2)
            within = self.relation(questions.flatten(0, 1), questions.flatten(0, 1))
            within = within.view(size, 1, count * span, span)
            same = torch.cat([self.relation(flat, context), within], dim=-1)
        return View(distance, allowed, same)

    def relation(self, a: Tensor, b: Tensor):
        """1 for tokens of one principal, 0 for others: [N, 1, A, B]."""
        if not self.variant.relation:
            return None
        return (2 * torch.matmul(a, b.transpose(1, 2)) - 1).clamp(min=0).unsqueeze(1)


def embedding(count: int, std: float) -> nn.Embedding:
    made = nn.Embedding(count, WIDTH)
    nn.init.normal_(made.weight, std=std)
    return made


def joined(heads: Tensor) -> Tensor:
    """[N, HEADS, T, D] as [N, T, HEADS * D]."""
    return heads.transpose(1, 2).reshape(heads.shape[0], heads.shape[2], WIDTH)


def grouped(heads: Tensor, size: int) -> Tensor:
    """[B * Q, HEADS, S, D] as [B, HEADS, Q * S, D]."""
    _, h, s, d = heads.shape
    return heads.view(size, -1, h, s, d).transpose(1, 2).reshape(size, h, -1, d)


def ungrouped(heads: Tensor, count: int) -> Tensor:
    """[B, HEADS, Q * S, D] as [B * Q, HEADS, S, D]."""
    b, h, n, d = heads.shape
    return heads.view(b, h, count, n // count, d).transpose(1, 2).reshape(b * count, h, n // count, d)
