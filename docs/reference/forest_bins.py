"""AUC of forests before and after binning to 64 public bins and leaf values of 16 bits (docs/encrypted-forests.md).

python docs/reference/forest_bins.py   (scikit-learn, pandas, pyarrow, numpy; run by hand, from the repository's root)

Edges are quantiles of the training rows; thresholds move to the nearest edge, as with `Edges::Public` of
`hedgerow_inference::trees`. What is compared is the same trees with and without.
"""
import numpy as np
import pandas as pd
import sklearn
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold


def adult():
    data = pd.concat(pd.read_parquet(f"examples/data/adult/adult-{part}.parquet") for part in ("train", "test"))
    label = "income" if "income" in data else data.columns[-1]
    columns = {}
    for name in data.columns.drop(label):
        column = data[name]
        columns[name] = column if column.dtype.kind in "if" else pd.Categorical(column).codes
    return pd.DataFrame(columns).to_numpy(float), data[label].astype(str).str.contains(">50K|^1$|^True$").to_numpy(int)


def edges(rows):
    return [quantiles(column) for column in rows.T]


def quantiles(column, left=64):
    """A value that many rows have takes one bin, and the others share the rest."""
    values, counts = np.unique(column[~np.isnan(column)], return_counts=True)
    rows, held, cuts, few = counts.sum(), 0, [], len(values) <= left
    for value, count in zip(values, counts):
        if held > 0 and left > 1 and (few or held * left >= rows):
            cuts.append(value)
            left, rows, held = left - 1, rows - held, 0
        held += count
    return np.array(cuts)


def nearest(cuts, value):
    """The edge nearest to the cut of `x <= value`."""
    cut = np.nextafter(np.float32(value), np.float32(np.inf)).astype(float)
    at = np.searchsorted(cuts, cut)
    near = [cuts[i] for i in (at - 1, at) if 0 <= i < len(cuts)]
    return min(near, key=lambda edge: (abs(edge - cut), -edge))


def leaves(tree, rows, cuts=None):
    threshold = tree.threshold.copy()
    for node in range(tree.node_count):
        if cuts is not None and tree.children_left[node] >= 0:
            threshold[node] = nearest(cuts[tree.feature[node]], threshold[node])
    at = np.zeros(len(rows), int)
    while True:
        inner = tree.children_left[at] >= 0
        if not inner.any():
            return at
        x = rows[np.arange(len(rows)), np.where(inner, tree.feature[at], 0)]
        # Bins begin at an edge: x < edge goes left.
        left = x < threshold[at] if cuts is not None else x.astype(np.float32) <= threshold[at]
        at = np.where(inner, np.where(left, tree.children_left[at], tree.children_right[at]), at)


def scores(model, rows, cuts=None):
    trees = [tree.tree_ for tree in np.ravel(model.estimators_)]
    probability = isinstance(model, RandomForestClassifier)
    values = [t.value[:, 0, 1] / t.value[:, 0].sum(1) if probability else t.value[:, 0, 0] for t in trees]
    unit = 2.0 ** (np.ceil(np.log2(max(np.abs(v).max() for v in values))) - 15)
    if cuts is not None:
        values = [np.round(v / unit) for v in values]
    return sum(v[leaves(t, rows, cuts)] for t, v in zip(trees, values))


print(f"scikit-learn {sklearn.__version__}; AUC, mean of 5 folds")
sets = {"breast cancer": load_breast_cancer(return_X_y=True)}
digits = load_digits(return_X_y=True)
sets["digits, odd"] = (digits[0], digits[1] % 2)
sets["Adult"] = adult()
models = {
    "RF 10 x 4": RandomForestClassifier(10, max_depth=4, random_state=0),
    "RF 50 x 5": RandomForestClassifier(50, max_depth=5, random_state=0),
    "GB 50 x 4": GradientBoostingClassifier(n_estimators=50, max_depth=4, random_state=0),
}
for name, (rows, labels) in sets.items():
    for kind, model in models.items():
        plain, binned = [], []
        for train, test in StratifiedKFold(5, shuffle=True, random_state=0).split(rows, labels):
            model.fit(rows[train], labels[train])
            cuts = edges(rows[train])
            plain.append(roc_auc_score(labels[test], scores(model, rows[test])))
            binned.append(roc_auc_score(labels[test], scores(model, rows[test], cuts)))
        loss = np.mean(plain) - np.mean(binned)
        verdict = "met" if loss <= 0.003 else "NOT MET"
        print(f"{name:14} {kind}: {np.mean(plain):.4f} -> {np.mean(binned):.4f}, loss {loss:+.4f}, asked .003: {verdict}")
