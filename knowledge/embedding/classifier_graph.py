"""Writes a text classifier as an ONNX graph: tuned layers, then a head over the first state and the mean.

Inputs: `states` float32 (1, tokens, hidden), embeddings or the states of lower layers; `lengths` int32 (1,). Output:
`logits` float32 (1, labels).
"""

from __future__ import annotations

import onnx
from onnx import helper

from knowledge.embedding.e5_graph import serialised
from knowledge.embedding.e5_weights import Weights
from knowledge.embedding.tuned import Tuned
from knowledge.embedding.tuned_graph import TunedGraph


def write(weights: Weights, tuned: Tuned) -> bytes:
    """The serialised model; the same weights give the same bytes."""
    graph = TunedGraph(weights, tuned)
    hidden = graph.tuned_layers("states")
    bounds = [graph.number(name, value) for name, value in (("from", 0), ("to", 1), ("axis", 1))]
    graph.add("Slice", [hidden, *bounds], ["first"])
    graph.add("ReduceMean", [hidden, graph.number("axis", 1)], ["mean"], keepdims=1)
    graph.add("Concat", ["first", "mean"], ["seen"], axis=-1)
    graph.add("Tanh", [graph.dense("seen", "head.dense")], ["judged"])
    graph.add("Squeeze", [graph.dense("judged", "head.out"), graph.number("axis", 1)], ["logits"])
    float32, int32 = onnx.TensorProto.FLOAT, onnx.TensorProto.INT32
    given = [
        helper.make_tensor_value_info("states", float32, [1, "tokens", weights.shape.hidden]),
        helper.make_tensor_value_info("lengths", int32, [1]),
    ]
    outputs = [helper.make_tensor_value_info("logits", float32, [1, len(tuned.vectors["head.out.b"])])]
    return serialised(graph, "classifier", given, outputs)
