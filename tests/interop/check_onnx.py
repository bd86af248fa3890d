"""The exported networks in ONNX Runtime beside our logits:  python check_onnx.py INTEROP_PROGRAM [FOLDER]

Exit status 77 where onnx or onnxruntime is missing."""

import pathlib
import subprocess
import sys
import tempfile

try:
    import numpy as np
    import onnx
    import onnxruntime
    from safetensors.numpy import load_file
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

LIMIT = 1e-4  # of the largest logit


def check(path):
    onnx.checker.check_model(onnx.load(path), full_check=True)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 2
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    cases, worst, i = load_file(path.with_suffix(".safetensors")), 0.0, 0
    while f"images{i}" in cases:
        images, ours = cases[f"images{i}"], cases[f"logits{i}"]
        (theirs,) = session.run(["logits"], {"images": np.ascontiguousarray(images.transpose(0, 3, 1, 2))})
        assert theirs.shape == ours.shape and np.abs(ours).max() > 0 and np.ptp(ours, axis=0).max() > 0
        worst = max(worst, float(np.abs(theirs - ours).max() / np.abs(ours).max()))
        i += 1
    assert i > 0
    return worst, i


def main():
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(sys.argv[2] if len(sys.argv) > 2 else temporary)
        subprocess.run([sys.argv[1], "onnx", str(folder)], check=True)
        failed = False
        for path in sorted(folder.glob("*.onnx")):
            worst, sizes = check(path)
            failed |= not worst < LIMIT
            print(f"{path.stem:32} {sizes} image size(s), largest difference {worst:.1e} of the largest logit")
    sys.exit(failed)


if __name__ == "__main__":
    main()
