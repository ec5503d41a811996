"""Pooled forests of scikit-learn and XGBoost on the data of `hedgerow bench growth`, by hand:

    hedgerow bench growth adult payments --seeds 5 --growths random      # writes hedgerow-bench/growth/data
    python -m venv venv && venv/bin/pip install scikit-learn==1.9.1 xgboost==3.2.0 pandas==3.1.1 pyarrow
    venv/bin/python docs/reference/growth.py hedgerow-bench/growth/data

Rows are divided into training and test as the files are. No noise, everything in one place.
"""

import glob
import os
import sys

import numpy as np
import pandas as pd
import sklearn
import xgboost
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.metrics import accuracy_score, average_precision_score, roc_auc_score
from sklearn.preprocessing import OrdinalEncoder


def adult(folder):
    def read(what):
        files = sorted(glob.glob(os.path.join(folder, f"*-{what}.parquet")))
        return pd.concat([pd.read_parquet(file) for file in files], ignore_index=True)

    train, test = read("train"), read("test")
    label = "income"
    positive = sorted(train[label].unique())[-1]
    return encoded(train.drop(columns=label), train[label] == positive, test.drop(columns=label), test[label] == positive)


def payments(folder):
    accounts = []
    for file in sorted(glob.glob(os.path.join(folder, "accounts", "*.parquet"))):
        accounts.append(pd.read_parquet(file))
    accounts = pd.concat(accounts, ignore_index=True)
    key = ["Bank", "Account", "Name", "Street", "CountryCityZip"]
    flags = accounts.set_index(key)["Flags"].astype(str)
    flags = flags[~flags.index.duplicated()]

    def read(what):
        rows = pd.read_parquet(os.path.join(folder, f"transactions-{what}.parquet"))
        sent = pd.to_datetime(rows["Timestamp"])
        date = rows["SettlementDate"].astype(int)
        settled = pd.to_datetime(date.astype(str).str.zfill(6), format="%y%m%d")
        settled = settled + pd.to_timedelta(np.where(date < 150000, 13 * 365 + 3, 0), unit="D")
        features = pd.DataFrame(
            {
                "InterimTime": (settled - sent).dt.total_seconds(),
                "SameDay": settled.dt.date == sent.dt.date,
                "SameCurrency": rows["SettlementCurrency"] == rows["InstructedCurrency"],
                "InstructedAmount": np.log(rows["InstructedAmount"].astype(float)),
                "Hour": sent.dt.hour,
            }
        )
        order = rows.sort_values("Timestamp")
        first = order.groupby("UETR")["Sender"].first()
        last = order.groupby("UETR")["Receiver"].last()
        for link, bank, prefix in [("ordering", first, "Ordering"), ("beneficiary", last, "Beneficiary")]:
            names = [prefix + part for part in ("Account", "Name", "Street", "CountryCityZip")]
            index = pd.MultiIndex.from_arrays([rows["UETR"].map(bank)] + [rows[name] for name in names])
            features[link + ".Flags"] = flags.reindex(index).to_numpy()
            features[link + ".Flags"] = features[link + ".Flags"].fillna("missing")
        return features, rows["Label"].astype(int) == 1

    (train, y), (test, yt) = read("train"), read("test")
    return encoded(train, y, test, yt)


def encoded(train, y, test, yt):
    words = [column for column in train.columns if not pd.api.types.is_numeric_dtype(train[column])]
    if words:
        encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
        train, test = train.copy(), test.copy()
        train[words] = encoder.fit_transform(train[words].astype(str))
        test[words] = encoder.transform(test[words].astype(str))
    return train.to_numpy(float), y.to_numpy(int), test.to_numpy(float), yt.to_numpy(int)


def learners(seed):
    yield "scikit-learn forest, 100 trees, depth 14", RandomForestClassifier(
        n_estimators=100, max_depth=14, n_jobs=2, random_state=seed
    )
    yield "scikit-learn histogram boosting", HistGradientBoostingClassifier(random_state=seed)
    yield "XGBoost, 100 trees, depth 6", xgboost.XGBClassifier(n_estimators=100, max_depth=6, n_jobs=2, random_state=seed)


def measure(name, read):
    figures = {}
    for seed, folder in enumerate(read[1], 1):
        train, y, test, yt = read[0](folder)
        for learner, model in learners(seed):
            scores = model.fit(train, y).predict_proba(test)[:, 1]
            figures.setdefault(learner, []).append(
                (average_precision_score(yt, scores), roc_auc_score(yt, scores), accuracy_score(yt, scores >= 0.5))
            )
    for learner, all_of_it in figures.items():
        mean, spread = np.mean(all_of_it, axis=0), np.std(all_of_it, axis=0, ddof=min(1, len(all_of_it) - 1))
        cells = [f"{m:.4f} +- {s:.4f}" for m, s in zip(mean, spread)]
        print(f"| {name} | {learner} | {' | '.join(cells)} | {len(all_of_it)} |", flush=True)


if __name__ == "__main__":
    data = sys.argv[1]
    print(f"scikit-learn {sklearn.__version__}, XGBoost {xgboost.__version__}, pandas {pd.__version__}\n")
    print("| data | learner | AUPRC | AUROC | accuracy | seeds |\n|---|---|---|---|---|---|")
    if os.path.isdir(os.path.join(data, "adult")):
        measure("Adult", (adult, 5 * [os.path.join(data, "adult")]))
    # The rows do not depend on the number of nodes: one folder for each seed.
    folders = {}
    for folder in sorted(glob.glob(os.path.join(data, "payments-*"))):
        folders.setdefault(folder.rsplit("-", 1)[1], folder)
    if folders:
        measure("payments", (payments, [folders[seed] for seed in sorted(folders)]))
