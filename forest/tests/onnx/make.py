#!/usr/bin/env python3
"""Makes the fixtures of forest/tests/onnx.rs: small models of other libraries as ONNX, with inputs and the outputs of
the library itself and of ONNX Runtime. Run by hand in a virtual environment; CI reads the files it leaves here:

    python -m venv venv && venv/bin/pip install scikit-learn==1.9.1 skl2onnx==1.20.0 onnx==1.23.2 onnxruntime==1.31.1 \
        onnxmltools==1.16.0 xgboost-cpu==3.2.0 lightgbm==4.7.0 pandas
    venv/bin/python forest/tests/onnx/make.py
"""

import json
import os
import sys
import warnings
import zlib

import numpy as np
import onnx
import onnx.helper as helper
import onnxruntime

warnings.filterwarnings("ignore")
HERE = os.path.dirname(os.path.abspath(__file__))

# skl2onnx 1.20 hands numpy numbers to onnx 1.23, which takes only Python's own.
_make_attribute = helper.make_attribute


def _plain_attribute(key, value, *rest, **named):
    if isinstance(value, (list, tuple)):
        value = [item.item() if isinstance(item, np.generic) else item for item in value]
        value = [int(item) if isinstance(item, bool) else item for item in value]
    elif isinstance(value, np.ndarray):
        value = value.tolist()
    elif isinstance(value, np.generic):
        value = value.item()
    return _make_attribute(key, value, *rest, **named)


helper.make_attribute = _plain_attribute

import lightgbm
import onnxmltools
import pandas as pd
import skl2onnx
import sklearn
import xgboost
from onnxmltools.convert import convert_lightgbm, convert_xgboost
from onnxmltools.convert.common.data_types import FloatTensorType as FloatType
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.tree import DecisionTreeClassifier

VERSIONS = {
    "python": sys.version.split()[0],
    **{m.__name__: m.__version__ for m in (onnx, onnxruntime, sklearn, skl2onnx, onnxmltools, xgboost, lightgbm)},
}
DATA_ROWS = 16
RANDOM = np.random.default_rng(20261121)


def session(model):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # Trees are then added in the order of the file.
    data = model if isinstance(model, bytes) else model.SerializeToString()
    return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])


def thresholds(model):
    """(feature, threshold) of all tests."""
    for node in model.graph.node:
        if node.op_type.startswith("TreeEnsemble"):
            at = {a.name: helper.get_attribute_value(a) for a in node.attribute}
            for feature, value, mode in zip(at["nodes_featureids"], at["nodes_values"], at["nodes_modes"]):
                if mode != b"LEAF":
                    yield feature, np.float32(value)


def rows(model, data, dtype):
    """Rows of the data, rows at and beside thresholds, rows with missing, huge and infinite values."""
    out = [row for row in data[RANDOM.choice(len(data), DATA_ROWS, replace=False)]]
    tests = list(dict.fromkeys(thresholds(model)))
    for index in RANDOM.permutation(len(tests))[:8]:
        feature, value = tests[index]
        for x in (value, np.nextafter(value, np.float32(-np.inf)), np.nextafter(value, np.float32(np.inf))):
            row = data[RANDOM.integers(len(data))].copy()
            row[feature] = x
            out.append(row)
    for bad in (np.nan, 1e30, -1e30, np.inf, -np.inf):
        row = data[RANDOM.integers(len(data))].copy()
        row[RANDOM.integers(len(row))] = bad
        out.append(row)
    out.append(np.full(data.shape[1], np.nan))
    return np.array(out, dtype=dtype)


def text(values):
    return " ".join(repr(float(x)) for x in np.ravel(values))


def seed(name):
    """Numbers of one fixture do not depend on those before it."""
    global RANDOM
    RANDOM = np.random.default_rng(zlib.crc32(name.encode()))


def write(name, model, data, library, dtype=np.float32):
    """`library`: rows to scores, or raises."""
    seed(name)
    inputs = rows(model, data, dtype)
    run = session(model)
    names = [out.name for out in run.get_outputs()]
    result = dict(zip(names, run.run(None, {run.get_inputs()[0].name: inputs})))
    scores = result[names[-1]]
    if isinstance(scores, list):  # ZipMap
        scores = np.array([list(row.values()) for row in scores])
    scores = np.asarray(scores).reshape(len(inputs), -1)
    labels = [str(label) for label in np.ravel(result[names[0]])] if len(names) > 1 else []
    by_library, worst = [], {"data": 0.0, "threshold": 0.0, "missing": 0.0, "huge": 0.0}
    for row, score in zip(inputs, scores):
        try:
            own = np.ravel(library(row.reshape(1, -1)))
            if not np.isfinite(row[np.isnan(row) == False]).all():
                own = None
        except ValueError:  # The library does not take missing or infinite values.
            own = None
        by_library.append("" if own is None else text(own))
        if own is not None:
            difference = float(np.max(np.abs(own - score) / np.maximum(1.0, np.abs(own))))
            kind = "data" if len(by_library) <= DATA_ROWS else "threshold"
            kind = "huge" if np.nanmax(np.abs(row)) > 1e20 else kind
            kind = "missing" if np.isnan(row).any() else kind
            worst[kind] = max(worst[kind], difference)
    with open(f"{HERE}/{name}.onnx", "wb") as file:
        file.write(model.SerializeToString())
    fixture = {
        "versions": VERSIONS,
        "inputs": [text(row) for row in inputs],
        "scores": [text(row) for row in scores],
        "labels": labels,
        "library": by_library,
    }
    with open(f"{HERE}/{name}.json", "w") as file:
        json.dump(fixture, file, indent=0)
    asked = sum(1 for row in by_library if row)
    print(f"{name:18} {len(inputs)} rows, {asked} by the library,", ", ".join(f"{k} {v:.2g}" for k, v in worst.items()))


CANCER, CANCER_Y = load_breast_cancer(return_X_y=True)
CANCER = CANCER[:, :5].astype(np.float32)
HOLES = CANCER.copy()
HOLES[RANDOM.random(HOLES.shape) < 0.15] = np.nan
IRIS, IRIS_Y = load_iris(return_X_y=True)
IRIS = IRIS.astype(np.float32)
IRIS_NAMES = np.array(["setosa", "versicolor", "virginica"])[IRIS_Y]
SUGAR, SUGAR_Y = load_diabetes(return_X_y=True)
SUGAR = SUGAR[:, :5].astype(np.float32)
SUGAR_HOLES = SUGAR.copy()
SUGAR_HOLES[RANDOM.random(SUGAR.shape) < 0.15] = np.nan


def scikit(name, model, x, y, zipmap=True, double=False):
    model.fit(x, y)
    kind = DoubleTensorType if double else FloatTensorType
    classes = hasattr(model, "predict_proba")
    options = {id(model): {"zipmap": zipmap}} if classes else None
    onx = convert_sklearn(model, initial_types=[("X", kind([None, x.shape[1]]))], options=options)
    write(name, onx, x, model.predict_proba if classes else model.predict, np.float64 if double else np.float32)


def boosted(name, model, x, y, convert, **options):
    model.fit(x, y)
    onx = convert(model, initial_types=[("X", FloatType([None, x.shape[1]]))], **options)
    write(name, onx, np.asarray(x, dtype=np.float32), getattr(model, "predict_proba", model.predict))


def libraries():
    small = {"n_estimators": 4, "max_depth": 3, "random_state": 1}
    scikit("sk-tree", DecisionTreeClassifier(max_depth=4, random_state=1), CANCER, CANCER_Y)
    scikit("sk-forest", RandomForestClassifier(**small), CANCER, CANCER_Y)
    scikit("sk-forest-missing", RandomForestClassifier(**small), HOLES, CANCER_Y, zipmap=False)
    scikit("sk-forest-double", RandomForestClassifier(**small), CANCER, CANCER_Y, double=True)
    scikit("sk-extra-3", ExtraTreesClassifier(**small), IRIS, IRIS_NAMES, zipmap=False)
    scikit("sk-boost", GradientBoostingClassifier(**small), CANCER, CANCER_Y)
    scikit("sk-boost-3", GradientBoostingClassifier(**small), IRIS, IRIS_NAMES, zipmap=False)
    hist = {"max_iter": 4, "max_leaf_nodes": 8, "random_state": 1}
    scikit("sk-hist", HistGradientBoostingClassifier(**hist), HOLES, CANCER_Y)
    scikit("sk-hist-3", HistGradientBoostingClassifier(**hist), IRIS, IRIS_Y, zipmap=False)
    scikit("sk-forest-r", RandomForestRegressor(**small), SUGAR, SUGAR_Y)
    two = np.stack([SUGAR_Y, SUGAR[:, 2] * 100], axis=1)
    scikit("sk-extra-r2", ExtraTreesRegressor(**small), SUGAR, two)
    scikit("sk-boost-r", GradientBoostingRegressor(**small), SUGAR, SUGAR_Y)
    scikit("sk-hist-r", HistGradientBoostingRegressor(**hist), SUGAR_HOLES, SUGAR_Y)

    xgb = {"n_estimators": 4, "max_depth": 3}
    boosted("xgb", xgboost.XGBClassifier(**xgb), HOLES, CANCER_Y, convert_xgboost)
    boosted("xgb-3", xgboost.XGBClassifier(**xgb), IRIS, IRIS_Y, convert_xgboost)
    boosted("xgb-r", xgboost.XGBRegressor(**xgb), SUGAR_HOLES, SUGAR_Y, convert_xgboost)
    boosted("xgb-forest", xgboost.XGBRFClassifier(**xgb), HOLES, CANCER_Y, convert_xgboost)
    boosted("xgb-poisson", xgboost.XGBRegressor(objective="count:poisson", **xgb), SUGAR, SUGAR_Y, convert_xgboost)

    lgb = {"n_estimators": 4, "max_depth": 3, "verbose": -1}
    boosted("lgb", lightgbm.LGBMClassifier(**lgb), HOLES, CANCER_Y, convert_lightgbm)
    boosted("lgb-3", lightgbm.LGBMClassifier(**lgb), IRIS, IRIS_Y, convert_lightgbm, zipmap=False)
    boosted("lgb-r", lightgbm.LGBMRegressor(**lgb), SUGAR_HOLES, SUGAR_Y, convert_lightgbm)
    bagged = {"boosting_type": "rf", "bagging_freq": 1, "bagging_fraction": 0.7}
    boosted("lgb-forest", lightgbm.LGBMClassifier(**bagged, **lgb), HOLES, CANCER_Y, convert_lightgbm)
    boosted("lgb-poisson", lightgbm.LGBMRegressor(objective="poisson", **lgb), SUGAR, SUGAR_Y, convert_lightgbm)
    codes = np.floor(IRIS[:, 1] * 4).astype(np.float32) % 7
    groups = pd.DataFrame({"size": IRIS[:, 0], "group": pd.Categorical(codes.astype(int), categories=range(7))})
    many = {"min_data_per_group": 1, "cat_smooth": 1, "max_cat_to_onehot": 1, "min_child_samples": 5}
    model = lightgbm.LGBMClassifier(**many, **lgb).fit(groups, (IRIS_Y == 1).astype(int))
    onx = convert_lightgbm(model, initial_types=[("X", FloatType([None, 2]))], zipmap=False)

    def by_library(x):
        if np.isnan(x[0, 1]) or x[0, 1] not in range(7):
            raise ValueError
        group = pd.Categorical(x[:, 1].astype(int), categories=range(7))
        return model.predict_proba(pd.DataFrame({"size": x[:, 0], "group": group}))

    write("lgb-categories", onx, np.stack([IRIS[:, 0], codes], axis=1), by_library)


def synthetic():
    """Trees that no library grows: all comparisons, transforms, base values and sparse weights that ONNX Runtime takes."""
    seed("synthetic")
    cases = []
    modes = ["LEQ", "LT", "GTE", "GT", "EQ", "NEQ"]
    for number in range(64):
        classifier = number % 2 == 0
        targets = int(RANDOM.integers(2 if classifier else 1, 5))
        two = classifier and targets == 2
        only = int(RANDOM.integers(2)) if two and RANDOM.random() < 0.6 else None
        sparse = RANDOM.random() < 0.3
        signed = RANDOM.random() < 0.7
        at = {f"nodes_{key}": [] for key in (
            "treeids", "nodeids", "featureids", "values", "modes", "truenodeids", "falsenodeids",
            "missing_value_tracks_true")}
        leaf = {key: [] for key in ("treeids", "nodeids", "ids", "weights")}
        common = "BRANCH_" + modes[RANDOM.integers(6)] if RANDOM.random() < 0.5 else None
        for tree in range(int(RANDOM.integers(1, 4))):
            depth = int(RANDOM.integers(0, 4))
            for node in range(2 ** (depth + 1) - 1):
                inner = node < 2**depth - 1
                at["nodes_treeids"].append(tree)
                at["nodes_nodeids"].append(node)
                at["nodes_featureids"].append(int(RANDOM.integers(3)) if inner else 0)
                at["nodes_values"].append(float(RANDOM.integers(-2, 3)) / 2 if inner else 0.0)
                mode = common or "BRANCH_" + modes[RANDOM.integers(6)]
                at["nodes_modes"].append(mode if inner else "LEAF")
                at["nodes_truenodeids"].append(2 * node + 1 if inner else 0)
                at["nodes_falsenodeids"].append(2 * node + 2 if inner else 0)
                at["nodes_missing_value_tracks_true"].append(int(RANDOM.integers(2)) if inner else 0)
                if inner:
                    continue
                ids = list(range(targets)) if only is None else [only]
                if sparse:
                    ids = [ids[RANDOM.integers(len(ids))]]
                for target in ids:
                    weight = RANDOM.normal() if signed else RANDOM.random() / 2
                    leaf["treeids"].append(tree)
                    leaf["nodeids"].append(node)
                    leaf["ids"].append(target)
                    leaf["weights"].append(float(np.float32(weight)))
        at["post_transform"] = ["NONE", "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO"][RANDOM.integers(4)]
        base = [0, 1, 2] if two else [0, targets]
        base = base[RANDOM.integers(len(base))]
        if two and base == 1 and only is None and sparse:
            base = 0  # ONNX Runtime then leaves a score unset.
        if base:
            at["base_values"] = [float(np.float32(x)) for x in RANDOM.normal(size=base)]
        double = RANDOM.random() < 0.3
        dtype, kind = (np.float64, onnx.TensorProto.DOUBLE) if double else (np.float32, onnx.TensorProto.FLOAT)
        if double:
            values = np.array(at.pop("nodes_values")) + 1e-12
            at["nodes_values_as_tensor"] = onnx.numpy_helper.from_array(values)
            weights = np.array(leaf.pop("weights")) + 1e-12
            leaf["weights_as_tensor"] = onnx.numpy_helper.from_array(weights)
            if base:
                at["base_values_as_tensor"] = onnx.numpy_helper.from_array(np.array(at.pop("base_values")))
        prefix = "class" if classifier else "target"
        at.update({f"{prefix}_{key}": value for key, value in leaf.items()})
        scores = onnx.helper.make_tensor_value_info("scores", onnx.TensorProto.FLOAT, [None, targets])
        if classifier:
            at["classlabels_int64s"] = list(range(targets))
            label = onnx.helper.make_tensor_value_info("label", onnx.TensorProto.INT64, [None])
            node = helper.make_node("TreeEnsembleClassifier", ["X"], ["label", "scores"], domain="ai.onnx.ml", **at)
            outputs = [label, scores]
        else:
            at["n_targets"] = targets
            at["aggregate_function"] = ["SUM", "AVERAGE"][RANDOM.integers(2)]
            node = helper.make_node("TreeEnsembleRegressor", ["X"], ["scores"], domain="ai.onnx.ml", **at)
            outputs = [scores]
        x = onnx.helper.make_tensor_value_info("X", kind, [None, 3])
        opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
        model = helper.make_model(helper.make_graph([node], "g", [x], outputs), opset_imports=opsets, ir_version=8)
        inputs = RANDOM.integers(-3, 4, size=(8, 3)) / 2
        inputs[RANDOM.random(inputs.shape) < 0.2] = np.nan
        inputs = inputs.astype(dtype) + (dtype(1e-12) if double else 0)
        result = session(model).run(None, {"X": inputs})
        cases.append({
            "what": f"{node.op_type} of {targets}, {at['post_transform']}, {base} base values, only {only}, "
            f"sparse {sparse}, signed {signed}, double {double}",
            "file": model.SerializeToString().hex(),
            "inputs": [text(row) for row in inputs],
            "scores": [text(row) for row in np.asarray(result[-1]).reshape(len(inputs), -1)],
            "labels": [str(label) for label in np.ravel(result[0])] if classifier else [],
        })
    with open(f"{HERE}/synthetic.json", "w") as file:
        json.dump({"versions": VERSIONS, "cases": cases}, file, indent=0)
    print(f"synthetic      {len(cases)} models")


def own():
    """Scores models of our own, which forest/tests/onnx_own.rs has written."""
    for name in ("own-matrix", "own-columns", "own-ml3", "own-boosted"):
        seed(name)
        model = onnx.load(f"{HERE}/{name}.onnx")
        onnx.checker.check_model(model, full_check=True)
        features = json.loads({p.key: p.value for p in model.metadata_props}["hedgerow.features"])
        edges = [[] for _ in features]
        for node in model.graph.node:
            if node.op_type.startswith("TreeEnsemble"):
                at = {a.name: helper.get_attribute_value(a) for a in node.attribute}
                splits = onnx.numpy_helper.to_array(at.get("nodes_splits", at.get("nodes_values_as_tensor")))
                for feature, value in zip(at["nodes_featureids"], splits):
                    edges[feature].append(value)
        inputs = np.empty((240, len(features)))
        for feature, column in enumerate(features):
            if "categories" in column:
                codes = [*range(len(column["categories"])), np.nan, -1, len(column["categories"]), 250]
                inputs[:, feature] = RANDOM.choice(codes, len(inputs))
            else:
                at = np.array(sorted(set(edges[feature])))
                at = at[np.isfinite(at)]
                beside = [np.nextafter(at, -np.inf), np.nextafter(at, np.inf)]
                values = [at, at, *beside, RANDOM.uniform(at[0], at[-1], 99), [np.nan] * 40, [np.inf, -np.inf, 0, -0.0]]
                inputs[:, feature] = RANDOM.choice(np.concatenate(values), len(inputs))
        run = session(model)
        if len(run.get_inputs()) == 1:
            feed = {"features": inputs}
        else:
            feed = {}
            for feature, column in enumerate(features):
                values = inputs[:, feature]
                if "categories" in column:
                    texts = dict(enumerate(column["categories"]))
                    values = np.array([texts.get(code, "unheard of") for code in values], dtype=object)
                feed[column["name"]] = values.reshape(-1, 1)
        label, score = run.run(["label", "score"], feed)
        fixture = {
            "versions": VERSIONS,
            "inputs": [text(row) for row in inputs],
            "scores": [text(row) for row in score],
            "labels": [int(x) for x in np.ravel(label)],
        }
        with open(f"{HERE}/{name}.json", "w") as file:
            json.dump(fixture, file, indent=0)
        print(f"{name:18} {len(inputs)} rows in {score.dtype}")


if __name__ == "__main__":
    print(VERSIONS)
    own()
    libraries()
    synthetic()
