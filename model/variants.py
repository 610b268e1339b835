"""The variants that are compared: what reaches the model beside the words, and which parts it has.

All variants share one backbone, one data set, one budget and the admission head's supervision, so that a
difference between two rows of the report is the difference named here and nothing else.
"""

from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Variant:
    """`channel` is what the residual stream is told of each token:

    - `none`: nothing; who speaks is the header's text alone (the text-prefix baseline);
    - `segments`: one of four learned classes: system, user, data, assistant (Instructional Segment Embedding);
    - `principal`: authority, kind and the principal's vector.
    """

    channel: str
    every_layer: bool = False
    """The channel is added before each layer (AIR), not at the input alone."""
    relation: bool = False
    """Attention has a learned bias for tokens of one principal."""
    admission: bool = True
    """The admission head is trained (weight 0.5). Without it the head's output means nothing."""
    name_dropout: bool = False
    """In 60% of the training episodes headers print chanced names, so that identity must come from the channel."""

    def asdict(self) -> dict:
        return asdict(self)


VARIANTS = {
    "text": Variant("none"),
    "ise3": Variant("segments"),
    "principal": Variant("principal", relation=True, name_dropout=True),
    "principal-input": Variant("principal"),
    "principal-input-no-admission": Variant("principal", admission=False),
    "principal-relation": Variant("principal", relation=True),
    "principal-dropout": Variant("principal", name_dropout=True),
    "principal-air": Variant("principal", every_layer=True),
    "principal-all": Variant("principal", every_layer=True, relation=True, name_dropout=True),
}
