"""Writes the pair model as an ONNX graph: the trained upper layers over the states of both texts, and a head.

Inputs: `asked_states` float32 (1, tokens, hidden), the question's states from the lower layers; `told_code` float32
(1, tokens, width), the passage's, reduced; `lengths` int32 (1,), how many there are together; `asked` and `told`
float32 (1, 1, length), the share of each state in the question and in the passage (rows sum to 1, 0 outside).
Output: `logits` float32 (1,).

The head sees the first token, the means of both parts, their product and distance, how alike the means are, and how
well each word of the question finds its like in the text (weighted by a learned importance of that word).
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper

from knowledge.embedding.e5_graph import serialised
from knowledge.embedding.e5_weights import Weights
from knowledge.embedding.tuned import Tuned
from knowledge.embedding.tuned_graph import TunedGraph

OUTSIDE = -4.0  # added to the likeness of words outside the text: below any cosine


def write(weights: Weights, tuned: Tuned) -> bytes:
    """The serialised model; the same weights give the same bytes."""
    graph = TunedGraph(weights, tuned)
    logits = _head(graph, graph.tuned_layers(_together(graph)))
    graph.add("Reshape", [logits, graph.number("flat", -1)], ["logits"])
    return _model(graph, tuned.vectors["code.down"].shape[1])


def _together(graph: TunedGraph) -> str:
    """The states of both texts one after the other, each marked as whose it is."""
    vectors = graph.tuned.vectors
    graph.add("MatMul", ["told_code", graph.constant("code.up", vectors["code.up"])], ["told.up"])
    told = vectors["code.mean"] + vectors["type.told"]
    graph.add("Add", ["told.up", graph.constant("told.offset", told)], ["told.states"])
    graph.add("Add", ["asked_states", graph.constant("asked.offset", vectors["type.asked"])], ["asked.marked"])
    graph.add("Concat", ["asked.marked", "told.states"], ["together"], axis=1)
    return "together"


def _head(graph: TunedGraph, hidden: str) -> str:
    """(batch, 1, 1) logits of the hidden states (batch, length, hidden)."""
    graph.add("MatMul", ["asked", hidden], ["asked.mean"])
    graph.add("MatMul", ["told", hidden], ["told.mean"])
    bounds = [graph.number(name, value) for name, value in (("from", 0), ("to", 1), ("axis", 1))]
    graph.add("Slice", [hidden, *bounds], ["first"])
    graph.add("Mul", ["asked.mean", "told.mean"], ["shared"])
    graph.add("Sub", ["asked.mean", "told.mean"], ["difference"])
    graph.add("Abs", ["difference"], ["distance"])
    graph.add("Concat", ["first", "asked.mean", "told.mean", "shared", "distance"], ["seen"], axis=-1)
    graph.add("Tanh", [graph.dense("seen", "head.dense")], ["judged"])
    alike = _alike(graph)
    graph.add("Concat", ["judged", alike, _found(graph, hidden)], ["evidence"], axis=-1)
    return graph.dense("evidence", "head.out")


def _alike(graph: TunedGraph) -> str:
    """Cosine of the two means, (batch, 1, 1)."""
    axis = graph.number("last", -1)
    graph.add("ReduceSum", ["shared", axis], ["alike.dot"], keepdims=1)
    for part in ("asked", "told"):
        graph.add("ReduceL2", [f"{part}.mean", axis], [f"{part}.size"], keepdims=1)
    graph.add("Mul", ["asked.size", "told.size"], ["alike.size"])
    graph.add("Div", ["alike.dot", "alike.size"], ["alike"])
    return "alike"


def _found(graph: TunedGraph, hidden: str) -> str:
    """Mean over the question's words of the best cosine with a word of the text, (batch, 1, 1)."""
    axis = graph.number("last", -1)
    vectors = graph.tuned.vectors
    graph.add("MatMul", [hidden, graph.constant("head.word.w", vectors["head.word.w"])], ["word"])
    graph.add("ReduceL2", ["word", axis], ["word.size"], keepdims=1)
    graph.add("Div", ["word", "word.size"], ["word.unit"])
    graph.add("Transpose", ["word.unit"], ["word.turned"], perm=[0, 2, 1])
    graph.add("MatMul", ["word.unit", "word.turned"], ["word.alike"])
    graph.add("Equal", ["told", graph.constant("zero", np.zeros(1, np.float32))], ["told.not"])
    graph.add("Cast", ["told.not"], ["told.outside"], to=onnx.TensorProto.FLOAT)
    graph.add("Mul", ["told.outside", graph.constant("outside", np.array([OUTSIDE], np.float32))], ["told.minus"])
    graph.add("Add", ["word.alike", "told.minus"], ["word.inside"])
    graph.add("ReduceMax", ["word.inside", axis], ["word.best"], keepdims=1)  # (batch, length, 1)
    graph.add("Sigmoid", [graph.dense(hidden, "head.weight")], ["word.importance"])
    graph.add("Transpose", ["word.importance"], ["word.row"], perm=[0, 2, 1])
    graph.add("Mul", ["word.row", "asked"], ["word.share"])
    graph.add("MatMul", ["word.share", "word.best"], ["found.sum"])
    graph.add("ReduceSum", ["word.share", axis], ["found.weight"], keepdims=1)
    graph.add("Div", ["found.sum", "found.weight"], ["found"])
    return "found"


def _model(graph: TunedGraph, width: int) -> bytes:
    float32, int32 = onnx.TensorProto.FLOAT, onnx.TensorProto.INT32
    sizes: dict[str, list[str | int]] = {
        "asked_states": [1, "asked_length", graph.weights.shape.hidden], "told_code": [1, "told_length", width],
        "asked": [1, 1, "length"], "told": [1, 1, "length"],
    }  # fmt: skip
    given = [helper.make_tensor_value_info(name, float32, size) for name, size in sizes.items()]
    given.append(helper.make_tensor_value_info("lengths", int32, [1]))
    outputs = [helper.make_tensor_value_info("logits", float32, [1])]
    return serialised(graph, "pair", given, outputs)
