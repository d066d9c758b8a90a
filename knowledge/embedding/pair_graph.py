"""Writes the cross-encoder as an ONNX graph: the encoder of e5_graph with trained upper layers, and a head.

Inputs: `x` float32 (batch, length, hidden), the sum of word, position and type embeddings; `lengths` int32 (batch,);
`asked` and `told` float32 (batch, 1, length), the share of each token in the question and in the text (rows sum to 1,
0 outside). Output: `logits` float32 (batch,).

The head sees the first token, the means of both parts, their product and distance, how alike the means are, and how
well each word of the question finds its like in the text (weighted by a learned importance of that word).

The whole model runs with one scale per row of weights and one per activation tensor: three times as fast as the blocks
of e5_graph, at a loss that ranking does not notice. So one pair is run at a time, lest a score depend on others.
Weights keep to 7 bits, because processors without dot-product instructions saturate at 8.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper

from knowledge.embedding.e5_graph import _MICROSOFT, _Graph
from knowledge.embedding.e5_weights import Weights
from knowledge.embedding.pair import Trained

_LEVELS = 63
OUTSIDE = -4.0  # added to the likeness of words outside the text: below any cosine


class _Quick(_Graph):
    """Products of int8 weights, some of them trained, with activations quantised as they come."""

    def __init__(self, weights: Weights, trained: Trained) -> None:
        super().__init__(replace(weights, vectors={**weights.vectors, **trained.vectors}))
        self.trained = trained

    def linear(self, x: str, out: str, *layers: str) -> str:
        """As in the parent, W requantised to one scale per row."""
        matrix = np.concatenate([self._matrix(f"{layer}.w") for layer in layers])
        scales = np.maximum(np.abs(matrix).max(axis=1), 1e-6) / _LEVELS
        levels = np.rint(matrix / scales[:, None]).astype(np.int8)
        inputs = [
            x,
            self.constant(f"{out}.levels", levels.T),
            self.constant(f"{out}.scales", scales.astype(np.float32)),
            self.constant(f"{out}.zero", np.zeros(len(scales), np.int8)),
            self.constant(f"{out}.bias", np.concatenate([self.weights.vectors[f"{layer}.b"] for layer in layers])),
        ]
        self.add("DynamicQuantizeMatMul", inputs, [out], domain=_MICROSOFT)
        return out

    def _matrix(self, name: str) -> NDArray[np.float32]:
        """Dequantised, (rows, columns)."""
        found = self.trained.matrices.get(name) or self.weights.matrices[name]
        levels = found.levels().astype(np.float32) - 128.0
        matrix: NDArray[np.float32] = (levels * found.scales.astype(np.float32)[..., None]).reshape(len(levels), -1)
        return matrix


def write(weights: Weights, trained: Trained) -> bytes:
    """The serialised model; the same weights give the same bytes."""
    graph = _Quick(weights, trained)
    graph.add("Reshape", [_head(graph, _encoder(graph, weights.shape.layers)), _shape(graph, "flat", -1)], ["logits"])
    return _model(graph, {"asked": [1], "told": [1]}, "logits", ["batch"])


def write_lower(weights: Weights, layers: int) -> bytes:
    """The first layers alone, output `hidden` (batch, length, hidden): what training starts from."""
    graph = _Graph(weights)
    graph.add("Identity", [_encoder(graph, layers)], ["hidden"])
    return _model(graph, {}, "hidden", ["batch", "length", weights.shape.hidden])


def _encoder(graph: _Graph, layers: int) -> str:
    x = graph.normalise("x", "emb.ln", "embedded")
    for number in range(layers):
        x = graph.layer(x, f"l{number}")
    return x


def _head(graph: _Graph, hidden: str) -> str:
    """(batch, 1, 1) logits of the hidden states (batch, length, hidden)."""
    graph.add("MatMul", ["asked", hidden], ["asked.mean"])
    graph.add("MatMul", ["told", hidden], ["told.mean"])
    bounds = [_shape(graph, name, value) for name, value in (("from", 0), ("to", 1), ("axis", 1))]
    graph.add("Slice", [hidden, *bounds], ["first"])
    graph.add("Mul", ["asked.mean", "told.mean"], ["shared"])
    graph.add("Sub", ["asked.mean", "told.mean"], ["difference"])
    graph.add("Abs", ["difference"], ["distance"])
    graph.add("Concat", ["first", "asked.mean", "told.mean", "shared", "distance"], ["seen"], axis=-1)
    graph.add("Tanh", [_dense(graph, "seen", "head.dense")], ["judged"])
    alike = _alike(graph)
    graph.add("Concat", ["judged", alike, _found(graph, hidden)], ["evidence"], axis=-1)
    return _dense(graph, "evidence", "head.out")


def _alike(graph: _Graph) -> str:
    """Cosine of the two means, (batch, 1, 1)."""
    axis = _shape(graph, "last", -1)
    graph.add("ReduceSum", ["shared", axis], ["alike.dot"], keepdims=1)
    for part in ("asked", "told"):
        graph.add("ReduceL2", [f"{part}.mean", axis], [f"{part}.size"], keepdims=1)
    graph.add("Mul", ["asked.size", "told.size"], ["alike.size"])
    graph.add("Div", ["alike.dot", "alike.size"], ["alike"])
    return "alike"


def _found(graph: _Graph, hidden: str) -> str:
    """Mean over the question's words of the best cosine with a word of the text, (batch, 1, 1)."""
    axis = _shape(graph, "last", -1)
    vectors = graph.weights.vectors
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
    graph.add("Sigmoid", [_dense(graph, hidden, "head.weight")], ["word.importance"])
    graph.add("Transpose", ["word.importance"], ["word.row"], perm=[0, 2, 1])
    graph.add("Mul", ["word.row", "asked"], ["word.share"])
    graph.add("MatMul", ["word.share", "word.best"], ["found.sum"])
    graph.add("ReduceSum", ["word.share", axis], ["found.weight"], keepdims=1)
    graph.add("Div", ["found.sum", "found.weight"], ["found"])
    return "found"


def _dense(graph: _Graph, x: str, name: str) -> str:
    """x · W + b with the head's weights, W stored input-major."""
    vectors = graph.weights.vectors
    graph.add("MatMul", [x, graph.constant(f"{name}.w", vectors[f"{name}.w"])], [f"{name}.product"])
    graph.add("Add", [f"{name}.product", graph.constant(f"{name}.b", vectors[f"{name}.b"])], [f"{name}.sum"])
    return f"{name}.sum"


def _shape(graph: _Graph, name: str, value: int) -> str:
    return graph.constant(f"int.{name}", np.array([value], np.int64))


def _model(graph: _Graph, shares: dict[str, list[int]], output: str, size: list[str | int | None]) -> bytes:
    float32, int32 = onnx.TensorProto.FLOAT, onnx.TensorProto.INT32
    hidden: list[str | int | None] = ["batch", "length", graph.weights.shape.hidden]
    given = [
        helper.make_tensor_value_info("x", float32, hidden),
        helper.make_tensor_value_info("lengths", int32, ["batch"]),
        *(helper.make_tensor_value_info(name, float32, ["batch", *rows, "length"]) for name, rows in shares.items()),
    ]
    outputs = [helper.make_tensor_value_info(output, float32, size)]
    body = helper.make_graph(graph.nodes, "pair", given, outputs, list(graph.constants.values()))
    versions = [helper.make_opsetid("", 20), helper.make_opsetid(_MICROSOFT, 1)]
    model = helper.make_model(body, opset_imports=versions, ir_version=10, producer_name="heshi")
    serialised: bytes = model.SerializeToString(deterministic=True)
    return serialised
