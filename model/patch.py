"""The principal channel as a patch to a decoder that somebody else trained.

`Reference` is a standard pre-norm decoder with causal attention, written out in plain PyTorch as a stand-in. The
patch is two things, and neither touches the decoder's own weights:

1. `ChannelInput`: `E_authority[level] + E_kind[kind] + W principal_vec`, added to the word embeddings;
2. `SamePrincipal`: a number a head, times the relation of two tokens (1 for one principal, 0 for two), added to
   the attention scores of a layer.

Both start at zero, so that the patched decoder's logits equal the unpatched one's bit for bit until it is trained.
They do so without a special case: adding zeros changes no number.

    decoder = Reference(vocabulary=32000)
    patched = Patched(decoder)
    logits = patched(ids, Channel(authority, kind, vectors))
    train(patched.channel_parameters())   # or these and an adapter
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

LEVELS = 8
KINDS = 5
VECTOR = 64


@dataclass(frozen=True)
class Channel:
    """What the control plane says of each token: int64 [B, T], int64 [B, T], float32 [B, T, 64]."""

    authority: Tensor
    kind: Tensor
    vectors: Tensor


class Attention(nn.Module):
    """Causal attention; `bias` [B, heads, T, T] is added to the scores, as decoders take it for ALiBi and masks."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.out = nn.Linear(width, width, bias=False)

    def forward(self, x: Tensor, bias: Tensor | None = None) -> Tensor:
        b, t, width = x.shape
        q, k, v = self.qkv(x).view(b, t, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        scores = torch.matmul(q, k.transpose(2, 3)) / math.sqrt(width // self.heads)
        if bias is not None:
            scores = scores + bias
        future = torch.ones(t, t, dtype=torch.bool, device=x.device).triu(1)
        weights = scores.masked_fill(future, float("-inf")).softmax(-1)
        return self.out(torch.matmul(weights, v).transpose(1, 2).reshape(b, t, width))


class Block(nn.Module):
    def __init__(self, width: int, heads: int):
        super().__init__()
        self.before, self.between = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = Attention(width, heads)
        self.widen, self.narrow = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Tensor, bias: Tensor | None = None) -> Tensor:
        x = x + self.attention(self.before(x), bias)
        return x + self.narrow(F.gelu(self.widen(self.between(x))))


class Reference(nn.Module):
    """A standard decoder: logits [B, T, V] of ids [B, T]."""

    def __init__(self, vocabulary: int, width: int = 64, heads: int = 4, layers: int = 2, longest: int = 256):
        super().__init__()
        self.width, self.heads = width, heads
        self.words, self.places = nn.Embedding(vocabulary, width), nn.Embedding(longest, width)
        self.blocks = nn.ModuleList([Block(width, heads) for _ in range(layers)])
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, vocabulary, bias=False)

    def embed(self, ids: Tensor) -> Tensor:
        return self.words(ids) + self.places(torch.arange(ids.shape[1], device=ids.device))

    def forward(self, ids: Tensor) -> Tensor:
        x = self.embed(ids)
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x))


class ChannelInput(nn.Module):
    """Added to the word embeddings: [B, T, width]. Zero until trained."""

    def __init__(self, width: int):
        super().__init__()
        self.authority, self.kind = nn.Embedding(LEVELS, width), nn.Embedding(KINDS, width)
        self.identity = nn.Linear(VECTOR, width, bias=False)
        for parameter in self.parameters():
            nn.init.zeros_(parameter)

    def forward(self, channel: Channel) -> Tensor:
        return self.authority(channel.authority) + self.kind(channel.kind) + self.identity(channel.vectors)


class SamePrincipal(nn.Module):
    """Added to a layer's scores: `alpha` of the head times the relation, [B, heads, T, T]. Zero until trained."""

    def __init__(self, heads: int):
        super().__init__()
        self.alpha = nn.Parameter(torch.zeros(heads))

    def forward(self, same: Tensor) -> Tensor:
        return self.alpha.view(1, -1, 1, 1) * same


class Patched(nn.Module):
    """A decoder with the channel. The decoder's weights are its own."""

    def __init__(self, decoder: Reference):
        super().__init__()
        self.decoder = decoder
        self.channel = ChannelInput(decoder.width)
        self.relations = nn.ModuleList([SamePrincipal(decoder.heads) for _ in decoder.blocks])

    def channel_parameters(self) -> list[nn.Parameter]:
        return [*self.channel.parameters(), *self.relations.parameters()]

    def forward(self, ids: Tensor, channel: Channel) -> Tensor:
        x = self.decoder.embed(ids) + self.channel(channel)
        same = same_principal(channel.vectors)
        for block, relation in zip(self.decoder.blocks, self.relations):
            x = block(x, relation(same))
        return self.decoder.head(self.decoder.norm(x))


def same_principal(vectors: Tensor) -> Tensor:
    """1 for two tokens of one principal, 0 for two principals of a cosine below 0.5: [B, 1, T, T]."""
    return (2 * torch.matmul(vectors, vectors.transpose(1, 2)) - 1).clamp(min=0).unsqueeze(1)
