"""Encrypted forests beside Concrete ML, the same trees and rows, in one table (docs/encrypted-forests.md).

python3.11 docs/reference/concrete_ml.py [--hedgerow target/release/hedgerow] [--folder target/concrete-ml] [--sizes 10x4,50x5] [--rows 1]

Run by hand; it makes its own Python environment (some 6 GB, of which most is PyTorch) in the folder, with the versions below;
Concrete ML wants Python 3.8 to 3.12. A row of 10 trees of depth 4 takes Concrete ML half a minute of CPU or more, one of 50
trees of depth 5 some four minutes. Data: breast cancer of scikit-learn (569 rows, 30 features), four fifths to train.

Concrete ML: RandomForestClassifier with n_bits=6, its other settings as they come. `fit_benchmark` gives the forest of
scikit-learn that it is made from; that goes to ONNX, and `hedgerow query --local` asks it in two processes on this machine.
CPU is what the evaluation takes: of Concrete ML the process time of `fhe_circuit.run` (all threads), of Hedgerow the server's own
trace of the last request, with one thread (RAYON_NUM_THREADS=1). Labels are compared with scikit-learn's.
"""
import argparse
import os
import platform
import re
import subprocess
import sys
import time
from pathlib import Path

PACKAGES = ["concrete-ml==1.9.0", "skl2onnx"]
MODES = ["public-structure", "private-model", "batch", "label-only"]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hedgerow", default="target/release/hedgerow")
    parser.add_argument("--folder", default="target/concrete-ml")
    parser.add_argument("--sizes", default="10x4")
    parser.add_argument("--rows", type=int, default=1, help="rows that Concrete ML evaluates")
    return parser.parse_args()


def environment(folder):
    """Goes on in an environment of its own, which is made if it is not there."""
    python = Path(folder, "venv", "bin", "python").absolute()
    if Path(sys.prefix) == python.parent.parent:
        return
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", python.parent.parent], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *PACKAGES], check=True)
    os.execv(python, [python, *sys.argv])


def evaluated(model, rows):
    """CPU seconds and bytes of Concrete ML, and the classes."""
    began = time.process_time()
    circuit = model.fhe_circuit
    circuit.keygen()
    keys = time.process_time() - began
    up, spent, down, classes = [], [], [], []
    for row in rows:
        encrypted = circuit.encrypt(model.quantize_input(row[None]))
        began = time.process_time()
        answer = circuit.run(encrypted)
        spent.append(time.process_time() - began)
        opened = model.dequantize_output(circuit.decrypt(answer))
        classes.append(int(model.post_processing(opened).argmax(axis=1)[0]))
        up.append(len(encrypted.serialize()))
        down.append(len(answer.serialize()))
        print(f"  Concrete ML: {spent[-1]:.1f} s", flush=True)
    key_bytes = len(circuit.client.evaluation_keys.serialize())
    return {"keys s": keys, "keys": key_bytes, "cpu": min(spent), "up": up[0], "down": down[0], "classes": classes}


SIZES = {"bytes": 1, "kB": 1e3, "MB": 1e6}


def size(text, what):
    found = re.search(what + r" ([\d.]+) (bytes|kB|MB)", text)
    return float(found[1]) * SIZES[found[2]] if found else None


def hedgerow(binary, folder, mode, onnx, table):
    command = [binary, "query", "--local", "--model", onnx, "--mode", mode, "--input", table]
    ran = subprocess.run(
        [*command, "--output", folder / "scores.csv"],
        env={**os.environ, "RAYON_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    if ran.returncode:
        print(f"  {mode}: {(ran.stderr or ran.stdout).strip().splitlines()[-1]}")
        return None
    computing = re.search(r"server, last request: ([\d.]+) ms computing", ran.stdout)
    batch = re.search(r"(\d+) requests took", ran.stdout)
    lines = (folder / "scores.csv").read_text().splitlines()
    classes = [line.rsplit(",", 1)[1] for line in lines[1:]]
    return {
        "cpu": float(computing[1]) / 1e3,
        "keys": size(ran.stdout, r"\(keys"),
        "up": size(ran.stdout, "each request"),
        "down": size(ran.stdout, "each answer"),
        "rows": -(-len(classes) // int(batch[1])),
        "classes": [int(float(label)) for label in classes],
    }


def bytes_of(count):
    if not count:
        return "none"
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{count / 1e3:.1f} kB"


def main():
    asked = arguments()
    environment(asked.folder)
    import numpy
    import concrete.ml
    import sklearn
    from concrete.ml.sklearn import RandomForestClassifier
    from skl2onnx import to_onnx
    from sklearn.datasets import load_breast_cancer
    from sklearn.model_selection import train_test_split

    folder = Path(asked.folder).absolute()
    binary = Path(asked.hedgerow).absolute()
    inputs, labels = load_breast_cancer(return_X_y=True)
    inputs = inputs.astype(numpy.float32)
    train, test, train_labels, _ = train_test_split(inputs, labels, test_size=0.2, random_state=1)
    head = ["forest", "evaluated by", "CPU, one row", "keys, once", "up", "down", "labels as scikit-learn's"]
    lines = [head, ["---"] * len(head)]
    for part in asked.sizes.split(","):
        trees, depth = map(int, part.split("x"))
        name = f"{trees} trees depth {depth}"
        print(name, flush=True)
        model = RandomForestClassifier(n_bits=6, n_estimators=trees, max_depth=depth, random_state=1)
        model, plain = model.fit_benchmark(train, train_labels)
        expected = plain.predict(test)
        onnx = folder / f"{part}.onnx"
        onnx.write_bytes(to_onnx(plain, train[:1], options={"zipmap": False}).SerializeToString())
        table = folder / "rows.csv"
        numpy.savetxt(table, test, delimiter=",", header=",".join(f"x{i}" for i in range(30)), comments="")
        for mode in MODES:
            found = hedgerow(binary, folder, mode, onnx, table)
            if found:
                same = sum(a == b for a, b in zip(found["classes"], expected))
                cpu = f"{found['cpu'] / found['rows'] * 1e3:.2f} ms"
                lines.append([name, mode, cpu, *(bytes_of(found[key]) for key in ("keys", "up", "down")), f"{same} of {len(expected)}"])
                print(f"  {mode}: {cpu}", flush=True)
        model.compile(train)
        found = evaluated(model, test[: asked.rows])
        same = sum(a == b for a, b in zip(found["classes"], expected))
        cpu = f"{found['cpu']:.1f} s"
        lines.append([name, "Concrete ML", cpu, *(bytes_of(found[key]) for key in ("keys", "up", "down")), f"{same} of {asked.rows}"])
    print()
    for line in lines:
        print("| " + " | ".join(line) + " |")
    version = subprocess.run([binary, "--version"], capture_output=True, text=True).stdout.strip()
    print(
        f"\n{version}; Concrete ML {concrete.ml.__version__} (n_bits=6, p_error as it comes), scikit-learn {sklearn.__version__}, "
        f"numpy {numpy.__version__}, Python {platform.python_version()}, {platform.machine()}, {os.cpu_count()} cores"
    )


if __name__ == "__main__":
    main()
