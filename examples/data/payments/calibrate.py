#!/usr/bin/env python3
"""How hard generated payments are to learn, on pooled data without any protection.

    hedgerow generate payments --rows 1000000 --seed 1 --out DIR/1     (and so on for other seeds)
    python calibrate.py DIR/1 DIR/2 ...

Needs numpy, pyarrow and scikit-learn. Prints one line per data set and the mean: area under the precision-recall curve
of the test file for

    greedy     a greedy random forest on the network's features and the validity of both accounts
    account    the same where an account is known by its number alone, so that names and addresses do not count
    network    the same forest on the network's own features alone
    split10    20 random trees of depth 10: feature uniform, threshold uniform in the box (Fan et al. 2003), one
               validity bit; what the challenge's runners-up measured .667 to .742 with, under noise
    extra      scikit-learn's ExtraTrees with max_features=1, 20 trees of depth 10, the same features: its thresholds
               are uniform between the values that a node's rows have, so its structure depends on the data
    plain6     Hedgerow's random trees: 50 of depth 6, 64 bins of equal width, attributes of one link per tree
    scenario6  the same trees on the columns of the payments scenario (cli/src/simulate/payments/features.sql), which
               fold the two peaks of InterimTime into one and bound it by a day

Features (the challenge's runners-up, section 3.1 of their report): InterimTime = SettlementDate - Timestamp in seconds,
the difference of the days of the month, whether both currencies are the same, InstructedAmount; and per link whether the
bank has the account (number, name, street, city) and its flag.
"""

import glob
import sys
import time

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as csv
import pyarrow.parquet as pq
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier
from sklearn.metrics import average_precision_score

SIDES = [("Ordering", "Sender"), ("Beneficiary", "Receiver")]
FLAGS = ["00", "01", "03", "04", "05", "06", "07", "08", "09", "10", "11"]
NETWORK = ["interim", "days", "same", "amount"]
# Columns and bounds of the payments scenario.
SCENARIO = {"folded": (-86_400, 0), "same_day": None, "same": None, "log_amount": (0, 32), "hour": (0, 24)}


def read(folder, name):
    found = sorted(glob.glob(f"{folder}/{name}.parquet") + glob.glob(f"{folder}/{name}.csv"))
    if not found:
        sys.exit(f"{folder}: no {name}.parquet or .csv")
    text = {c: pa.string() for c in ["Timestamp", "OrderingAccount", "BeneficiaryAccount", "Account", "Flags"]}
    options = csv.ConvertOptions(column_types=text, strings_can_be_null=True)
    tables = [
        pq.read_table(f) if f.endswith("parquet") else csv.read_csv(f, convert_options=options) for f in found
    ]
    return pa.concat_tables(tables)


def key(*columns):
    columns = [pc.fill_null(c, "\x00") for c in columns]
    return pc.binary_join_element_wise(*columns, "\x1f")


def features(table, accounts):
    stamp = pc.strptime(table["Timestamp"], "%Y-%m-%d %H:%M:%S", "s").to_numpy()
    date = table["SettlementDate"].to_numpy()
    year, month, day = 2000 + date // 10_000, date // 100 % 100, date % 100
    settled = (
        (year - 1970).astype("datetime64[Y]").astype("datetime64[M]") + (month - 1)
    ).astype("datetime64[D]") + (day - 1)
    of_month = (stamp.astype("datetime64[D]") - stamp.astype("datetime64[M]").astype("datetime64[D]")).astype(int) + 1
    out = {
        "interim": (settled.astype("datetime64[s]") - stamp.astype("datetime64[s]")).astype(np.int64),
        "days": np.abs(day - of_month),
        "same": pc.equal(table["SettlementCurrency"], table["InstructedCurrency"]).to_numpy().astype(int),
        "amount": table["InstructedAmount"].to_numpy(),
    }
    folded = out["interim"] + np.where(date < 150_000, (13 * 365 + 3) * 86_400, 0)
    second = (stamp.astype("datetime64[s]") - stamp.astype("datetime64[D]")).astype(np.int64)
    out["folded"], out["same_day"] = folded, (folded == -second).astype(int)
    out["log_amount"], out["hour"] = np.log(out["amount"]), second // 3600
    # The ordering account is with the sender of the first hop, the beneficiary's with the receiver of the last.
    uetr = pc.dictionary_encode(table["UETR"]).combine_chunks()
    uetr = (uetr if isinstance(uetr, pa.DictionaryArray) else uetr.chunk(0)).indices.to_numpy()
    order = np.lexsort((stamp, uetr))
    ends = np.flatnonzero(np.diff(uetr[order], append=-1))
    begins = np.concatenate(([0], ends[:-1] + 1))
    for (side, bank), at in zip(SIDES, (begins, ends)):
        banks = table[bank].take(pa.array(order[at][uetr]))
        parts = [banks] + [table[side + c] for c in ["Account", "Name", "Street", "CountryCityZip"]]
        for suffix, used in (("", parts), ("_by_number", parts[:2])):
            found = pc.index_in(key(*used), accounts["key" + suffix]).to_numpy(zero_copy_only=False).astype(float)
            known = ~np.isnan(found)
            flag = np.full(len(found), -1)
            flag[known] = accounts["flag"][found[known].astype(int)]
            out[side + "_known" + suffix], out[side + "_flag" + suffix] = known.astype(int), flag
    out["valid"] = np.prod([out[f"{s}_known"] * (out[f"{s}_flag"] == 0) for s, _ in SIDES], axis=0)
    return out, table["Label"].to_numpy()


def load(folder):
    table = read(folder, "accounts/*")
    parts = [table[c] for c in ["Bank", "Account", "Name", "Street", "CountryCityZip"]]
    accounts = {
        "key": key(*parts).combine_chunks(),
        "key_by_number": key(*parts[:2]).combine_chunks(),
        "flag": pc.index_in(table["Flags"], pa.array(FLAGS)).to_numpy(),
    }
    return [features(read(folder, f"transactions-{what}"), accounts) for what in ("train", "test")]


def links(suffix=""):
    return [f"{side}_{what}{suffix}" for side, _ in SIDES for what in ("known", "flag")]


def matrix(data, names):
    return np.column_stack([data[name] for name in names]).astype(np.float64)


def share_of_positives(leaf, label, leaves):
    both = np.bincount(leaf, minlength=leaves)
    return np.bincount(leaf, weights=label, minlength=leaves) / np.maximum(both, 1)


def random_forest(train, label, test, trees, depth, rng, columns_of, split):
    """Mean share of positives over random trees; `split(rng, box)` draws a node's test."""
    score = np.zeros(test.shape[1])
    for _ in range(trees):
        columns = columns_of(rng)
        nodes = [[box_of(train[c]) for c in columns]]
        at = [np.zeros(x.shape[1], dtype=np.int64) for x in (train, test)]
        for _ in range(depth):
            feature, threshold, children = [], [], []
            for box in nodes:
                f, t = split(rng, box)
                feature.append(columns[f])
                threshold.append(t)
                left, right = list(box), list(box)
                left[f], right[f] = (box[f][0], t), (t, box[f][1])
                children += [left, right]
            nodes = children
            feature, threshold = np.array(feature), np.array(threshold)
            for i, x in enumerate((train, test)):
                value = x[feature[at[i]], np.arange(x.shape[1])]
                at[i] = 2 * at[i] + (value >= threshold[at[i]])
        score += share_of_positives(at[0], label, 1 << depth)[at[1]]
    return score / trees


def box_of(values):
    return (float(values.min()), float(values.max()))


def uniform_split(rng, box):
    f = rng.integers(len(box))
    return f, rng.uniform(*box[f])


def plain_trees(train, label, test, rng, bounds, trees=50, depth=6, bins=64):
    """Hedgerow's growth: bins of equal width, bit sets of categories, one link a tree. `bounds`: column to its bounds,
    None for a category."""
    kinds = {name: it for name, it in bounds.items() if it}
    names = list(bounds) + links()
    own = len(bounds)

    def codes(data):
        out = []
        for name in names:
            x = data[name].astype(float)
            if name in kinds:
                low, high = kinds[name]
                out.append(np.clip((x - low) / (high - low) * bins, 0, bins - 1).astype(np.int64))
            else:
                out.append(np.where(x < 0, len(FLAGS), x).astype(np.int64))
        return np.array(out)

    sizes = [bins if n in kinds else len(FLAGS) if n.endswith("flag") else 2 for n in names]
    known, asked = codes(train), codes(test)
    score = np.zeros(asked.shape[1])
    for _ in range(trees):
        link = rng.integers(2)
        columns = list(range(own)) + [own + 2 * link, own + 1 + 2 * link]
        nodes = [{c: np.arange(sizes[c]) for c in columns}]
        at = [np.zeros(x.shape[1], dtype=np.int64) for x in (known, asked)]
        for _ in range(depth):
            feature, right_of, children = [], [], []
            for box in nodes:
                able = [c for c in columns if len(box[c]) >= 2]
                right = np.zeros(bins + 1, dtype=bool)
                left_box, right_box = dict(box), dict(box)
                c = 0
                if able:
                    c = able[rng.integers(len(able))]
                    values = box[c]
                    if names[c] in kinds:
                        cut = 1 + rng.integers(len(values) - 1)
                        goes = np.arange(len(values)) >= cut
                    else:
                        goes = np.zeros(len(values), dtype=bool)
                        while goes.all() or not goes.any():
                            goes = rng.integers(2, size=len(values)).astype(bool)
                    right[values[goes]] = True
                    right[sizes[c]] = rng.integers(2) == 1
                    left_box[c], right_box[c] = values[~goes], values[goes]
                feature.append(c)
                right_of.append(right)
                children += [left_box, right_box]
            nodes = children
            feature, right_of = np.array(feature), np.array(right_of)
            for i, x in enumerate((known, asked)):
                value = x[feature[at[i]], np.arange(x.shape[1])]
                at[i] = 2 * at[i] + right_of[at[i], value]
        score += share_of_positives(at[0], label, 1 << depth)[at[1]]
    return score / trees


def measure(folder, seed):
    (train, label), (test, truth) = load(folder)
    # Greedy learning needs all positives and sees enough in a sample of the others.
    rng = np.random.default_rng(seed)
    keep = (label == 1) | (rng.random(len(label)) < 600_000 / len(label))
    result = {}

    def fit(name, model, names):
        model.fit(matrix(train, names)[keep], label[keep])
        result[name] = average_precision_score(truth, model.predict_proba(matrix(test, names))[:, 1])

    forest = lambda: RandomForestClassifier(50, min_samples_leaf=2, n_jobs=2, random_state=seed)
    fit("greedy", forest(), NETWORK + links())
    fit("account", forest(), NETWORK + links("_by_number"))
    fit("network", forest(), NETWORK)
    five = NETWORK + ["valid"]
    extra = ExtraTreesClassifier(20, max_depth=10, max_features=1, n_jobs=2, random_state=seed)
    fit("extra", extra, five)
    # Random structure varies: the mean of two forests.
    x, asked = matrix(train, five).T.copy(), matrix(test, five).T.copy()
    columns = lambda rng: list(range(5))
    random = [random_forest(x, label, asked, 20, 10, rng, columns, uniform_split) for _ in range(2)]
    result["split10"] = np.mean([average_precision_score(truth, score) for score in random])
    challenge = {name: None if name == "same" else box_of(train[name]) for name in NETWORK}
    for name, bounds in (("plain6", challenge), ("scenario6", SCENARIO)):
        plain = [plain_trees(train, label, test, rng, bounds) for _ in range(2)]
        result[name] = np.mean([average_precision_score(truth, score) for score in plain])
    return result


def main():
    folders = sys.argv[1:]
    if not folders:
        sys.exit(__doc__)
    rows = []
    for seed, folder in enumerate(folders):
        started = time.time()
        rows.append(measure(folder, seed))
        figures = "  ".join(f"{k} {v:.4f}" for k, v in rows[-1].items())
        print(f"{folder}: {figures}  ({time.time() - started:.0f} s)", flush=True)
    if len(rows) > 1:
        for name, of in (("mean", np.mean), ("std", np.std)):
            print(f"{name}: " + "  ".join(f"{k} {of([r[k] for r in rows]):.4f}" for k in rows[0]))


if __name__ == "__main__":
    main()
