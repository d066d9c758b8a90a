"""Writes the encoder of multilingual-e5-small as an ONNX graph over its quantised weights.

Inputs: `x` float32 (batch, length, hidden), the sum of word, position and type embeddings; `lengths` int32 (batch,),
how many tokens of each row are real. Outputs, float32 (batch, length, hidden): `middle`, the states after MIDDLE
layers, which the pair model reads on from, and `hidden`, the states after all.

The embedding table stays outside: it is four fifths of the model, and a text needs a few of its rows. Matrices keep
their blocks of 32 weights with one scale each, widened to 8 bits without loss, and activations are quantised to int8
per block as well (accuracy level 4). So a text's vector equals that of the original engine and does not depend on what
else is in the batch; one scale for a whole activation tensor is faster, but costs both.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from knowledge.embedding.e5_weights import BLOCK, Weights

MICROSOFT = "com.microsoft"
_INT8_ACTIVATIONS = 4
MIDDLE = 8


class Graph:
    """Collects nodes and constants; every operation returns the name of its output."""

    def __init__(self, weights: Weights) -> None:
        self.weights = weights
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, onnx.TensorProto] = {}

    def constant(self, name: str, values: NDArray[Any]) -> str:
        if name not in self.constants:
            self.constants[name] = numpy_helper.from_array(np.ascontiguousarray(values), name)
        return name

    def add(self, kind: str, inputs: Sequence[str], outputs: Sequence[str], **attributes: Any) -> None:
        self.nodes.append(helper.make_node(kind, inputs, outputs, name=outputs[0], **attributes))

    def linear(self, x: str, out: str, *layers: str) -> str:
        """x · Wᵀ + b; several layers over the same input become one product, their outputs side by side."""
        matrices = [self.weights.matrices[f"{layer}.w"] for layer in layers]
        levels = np.concatenate([matrix.levels() for matrix in matrices])
        scales = np.concatenate([matrix.scales for matrix in matrices]).astype(np.float32)
        bias = np.concatenate([self.weights.vectors[f"{layer}.b"] for layer in layers])
        rows, blocks, _ = levels.shape
        inputs = [x, self.constant(f"{out}.levels", levels), self.constant(f"{out}.scales", scales.reshape(-1))]
        self.add(
            "MatMulNBits", inputs, [f"{out}.product"], domain=MICROSOFT,
            K=blocks * BLOCK, N=rows, bits=8, block_size=BLOCK, accuracy_level=_INT8_ACTIVATIONS,
        )  # fmt: skip
        self.add("Add", [f"{out}.product", self.constant(f"{out}.bias", bias)], [out])
        return out

    def normalise(self, x: str, layer: str, out: str) -> str:
        vectors = self.weights.vectors
        scale, bias = (self.constant(f"{layer}.{part}", vectors[f"{layer}.{part}"]) for part in ("w", "b"))
        self.add("LayerNormalization", [x, scale, bias], [out], axis=-1, epsilon=self.weights.shape.epsilon)
        return out

    def layer(self, x: str, name: str) -> str:
        """One encoder layer: attention and feed-forward, each added to its input and normalised."""
        joined = self.linear(x, f"{name}.qkv", f"{name}.q", f"{name}.k", f"{name}.v")
        split = [f"{name}.query", f"{name}.key", f"{name}.value"]
        self.add("Split", [joined], split, axis=-1, num_outputs=3)
        heads = self.weights.shape.heads
        context = f"{name}.context"
        self.add("MultiHeadAttention", [*split, "", "lengths"], [context], domain=MICROSOFT, num_heads=heads)
        attended = self.linear(context, f"{name}.attended", f"{name}.ao")
        self.add("Add", [x, attended], [f"{name}.mixed"])
        x = self.normalise(f"{name}.mixed", f"{name}.aln", f"{name}.middle")
        inner = self.linear(x, f"{name}.inner", f"{name}.fi")
        self.add("Gelu", [inner], [f"{name}.gelu"])
        fed = self.linear(f"{name}.gelu", f"{name}.fed", f"{name}.fo")
        self.add("Add", [x, fed], [f"{name}.summed"])
        return self.normalise(f"{name}.summed", f"{name}.oln", f"{name}.out")


def write(weights: Weights) -> bytes:
    """The serialised model; the same weights give the same bytes."""
    graph = Graph(weights)
    x = graph.normalise("x", "emb.ln", "embedded")
    for number in range(weights.shape.layers):
        if number == MIDDLE:
            graph.add("Identity", [x], ["middle"])
        x = graph.layer(x, f"l{number}")
    graph.add("Identity", [x], ["hidden"])
    float32 = onnx.TensorProto.FLOAT
    size: list[str | int | None] = ["batch", "length", weights.shape.hidden]
    inputs = [
        helper.make_tensor_value_info("x", float32, size),
        helper.make_tensor_value_info("lengths", onnx.TensorProto.INT32, ["batch"]),
    ]
    outputs = [helper.make_tensor_value_info(name, float32, size) for name in ("middle", "hidden")]
    return serialised(graph, "e5", inputs, outputs)


def serialised(
    graph: Graph, name: str, inputs: Sequence[onnx.ValueInfoProto], outputs: Sequence[onnx.ValueInfoProto]
) -> bytes:
    """The graph as a model; the same graph gives the same bytes."""
    body = helper.make_graph(graph.nodes, name, inputs, outputs, list(graph.constants.values()))
    versions = [helper.make_opsetid("", 20), helper.make_opsetid(MICROSOFT, 1)]
    model = helper.make_model(body, opset_imports=versions, ir_version=10, producer_name="heshi")
    content: bytes = model.SerializeToString(deterministic=True)
    return content
