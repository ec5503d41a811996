"""Trains the three example networks on MNIST and writes them as ONNX.

Run by hand, once; the results are committed beside this file:

    python3 -m venv venv && venv/bin/pip install jax optax onnx numpy
    venv/bin/python train.py DIRECTORY_OF_MNIST [mlp|lola|lenet5 ...]

DIRECTORY_OF_MNIST holds the four gzipped IDX files. Every activation is a square (`Mul(x, x)` in the file), every
pooling an average, so that the networks are polynomials as they are. Inputs are `[batch, 1, 28, 28]`, pixels in [0, 1].
"""

import gzip
import sys

import jax
import jax.numpy as jnp
import numpy as np
import onnx
import optax
from onnx import TensorProto, helper, numpy_helper

# Layers: conv (outputs, inputs, kernel, stride, padding below and right or on all sides), dense, square, pool, flatten.
NETWORKS = {
    "mlp": [("flatten",), ("dense", 784, 128), ("square",), ("dense", 128, 128), ("square",), ("dense", 128, 10)],
    # CryptoNets as LoLA runs it: 29 x 29 (one row and one column of zeros below and right), 5 x 5 by steps of 2.
    "lola": [("conv", 5, 1, 5, 2, (0, 1)), ("square",), ("flatten",), ("dense", 845, 100), ("square",), ("dense", 100, 10)],
    "lenet5": [
        ("conv", 6, 1, 5, 1, (2, 2)), ("square",), ("pool", 2), ("conv", 16, 6, 5, 1, (0, 0)), ("square",), ("pool", 2),
        ("flatten",), ("dense", 400, 120), ("square",), ("dense", 120, 84), ("square",), ("dense", 84, 10),
    ],
}
EPOCHS = {"mlp": 16, "lola": 12, "lenet5": 6}


def read(directory, name, header):
    with gzip.open(f"{directory}/{name}.gz") as file:
        return np.frombuffer(file.read(), np.uint8, offset=header)


def images(directory, name):
    return read(directory, f"{name}-images-idx3-ubyte", 16).reshape(-1, 1, 28, 28).astype(np.float32) / 255


def labels(directory, name):
    return read(directory, f"{name}-labels-idx1-ubyte", 8).astype(np.int32)


def initial(layers, random):
    """Small weights at first: squares of large sums explode."""
    params = []
    for layer in layers:
        shape = {"conv": lambda: (layer[1], layer[2], layer[3], layer[3]), "dense": lambda: (layer[2], layer[1])}.get(layer[0])
        if shape is None:
            params.append(None)
            continue
        shape = shape()
        weights = random.normal(0, 0.7 / np.sqrt(np.prod(shape[1:])), shape).astype(np.float32)
        params.append((jnp.asarray(weights), jnp.zeros(shape[0])))
    return params


def forward(layers, params, x, peaks=None):
    for layer, weights in zip(layers, params):
        if layer[0] == "flatten":
            x = x.reshape(x.shape[0], -1)
        elif layer[0] == "square":
            x = x * x
        elif layer[0] == "pool":
            n, c, h, w = x.shape
            x = x.reshape(n, c, h // layer[1], layer[1], w // layer[1], layer[1]).mean((3, 5))
        elif layer[0] == "dense":
            x = x @ weights[0].T + weights[1]
        else:
            x = jax.lax.conv_general_dilated(x, weights[0], (layer[4],) * 2, (layer[5],) * 2) + weights[1][:, None, None]
        if peaks is not None:
            peaks.append(f"{float(jnp.abs(x).max()):.1f}")
    return x


def train(layers, x, y, epochs, random, batch=128):
    params = initial(layers, random)
    steps = epochs * (len(x) // batch)
    schedule = optax.cosine_onecycle_schedule(steps, 3e-3)
    optimizer = optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(schedule, weight_decay=1e-4))
    state = optimizer.init(params)

    @jax.jit
    def step(params, state, x, y):
        def loss(params):
            return optax.softmax_cross_entropy_with_integer_labels(forward(layers, params, x), y).mean()

        value, gradient = jax.value_and_grad(loss)(params)
        updates, state = optimizer.update(gradient, state, params)
        return optax.apply_updates(params, updates), state, value

    for epoch in range(epochs):
        order = random.permutation(len(x))
        for start in range(0, len(x) - batch + 1, batch):
            rows = order[start : start + batch]
            # Shifts by up to two pixels, the one augmentation: it is worth more than a layer.
            shifted = np.roll(x[rows], tuple(random.integers(-2, 3, 2)), (2, 3))
            params, state, value = step(params, state, shifted, y[rows])
        print(f"epoch {epoch + 1}: loss {float(value):.4f}", flush=True)
    return params


def save(layers, params, name):
    nodes, weights, current = [], [], "image"
    for i, (layer, values) in enumerate(zip(layers, params)):
        inputs, attributes = [current], {}
        if values is not None:
            for label, value in zip((f"w_{i}", f"b_{i}"), values):
                weights.append(numpy_helper.from_array(np.ascontiguousarray(value, np.float32), label))
                inputs.append(label)
        if layer[0] == "square":
            op, inputs = "Mul", [current, current]
        elif layer[0] == "pool":
            op, attributes = "AveragePool", {"kernel_shape": [layer[1]] * 2, "strides": [layer[1]] * 2}
        elif layer[0] == "dense":
            op, attributes = "Gemm", {"transB": 1}
        elif layer[0] == "conv":
            before, after = layer[5]
            op = "Conv"
            attributes = {"kernel_shape": [layer[3]] * 2, "strides": [layer[4]] * 2, "pads": [before, before, after, after]}
        else:
            op = "Flatten"
        current = f"{layer[0]}_{i}"
        nodes.append(helper.make_node(op, inputs, [current], name=current, **attributes))
    shape = lambda label, dims: helper.make_tensor_value_info(label, TensorProto.FLOAT, dims)
    graph = helper.make_graph(nodes, name, [shape("image", ["batch", 1, 28, 28])], [shape(current, ["batch", 10])], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8, producer_name="hedgerow")
    onnx.checker.check_model(model)
    onnx.save(model, f"{name}.onnx")


def main():
    directory, names = sys.argv[1], sys.argv[2:] or list(NETWORKS)
    x, y = images(directory, "train"), labels(directory, "train")
    tx, ty = images(directory, "t10k"), labels(directory, "t10k")
    for name in names:
        layers = NETWORKS[name]
        params = train(layers, x, y, EPOCHS[name], np.random.default_rng(1))
        peaks = []
        accuracy = (np.asarray(forward(layers, params, tx, peaks)).argmax(1) == ty).mean()
        print(f"{name}: {accuracy:.4f} of the 10,000 test images right; largest value after each layer: {' '.join(peaks)}")
        save(layers, params, name)


if __name__ == "__main__":
    main()
