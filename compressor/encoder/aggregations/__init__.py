"""What makes one vector of all tokens of a searched student, one file each: a block with length 1 behind it.

A new one is its file and a line here.
"""

from compressor.encoder.aggregations.attention_pooling import AttentionPooling
from compressor.encoder.aggregations.average_pooling import AveragePooling
from compressor.encoder.aggregations.first_token import FirstToken
from compressor.encoder.aggregations.max_pooling import MaxPooling
from compressor.encoder.aggregations.routing import DynamicRouting
from compressor.encoder.blocks import Block

AGGREGATIONS: dict[str, type[Block]] = {
    "max-pooling": MaxPooling,
    "average-pooling": AveragePooling,
    "dynamic-routing": DynamicRouting,
    "attention-pooling": AttentionPooling,
    "first-token": FirstToken,
}

__all__ = ["AGGREGATIONS"]
