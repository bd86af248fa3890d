"""Checkpoints between this library and timm's split batch norms, both ways:  python check_splitbn.py INTEROP_PROGRAM

Ours loads there strictly and gives our logits in training mode; timm's loads here, gives timm's, and learns the same
statistics. Exit status 77 where timm is missing."""

import pathlib
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "golden"))
try:
    import timm  # noqa: F401
    import torch
    from safetensors.torch import load_file, save_file

    import splitbn
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

LIMIT = 1e-4


def difference(a, b):
    return ((a - b).abs().max() / b.abs().max()).item()


def main():
    torch.set_num_threads(2)
    failed = False

    def report(what, value):
        nonlocal failed
        failed |= not value < LIMIT
        print(f"{what}: largest difference {value:.1e} of the largest number")

    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        subprocess.run([sys.argv[1], "write", str(folder)], check=True)
        net = splitbn.network()
        print(net.load_state_dict(load_file(folder / "ours.safetensors"), strict=True))
        net.train()
        with torch.no_grad():
            logits = net(splitbn.images(torch.float32))
        ours = load_file(folder / "ours_logits.safetensors")["logits"]
        for split, (a, b) in enumerate(zip(ours.chunk(splitbn.SPLITS), logits.chunk(splitbn.SPLITS))):
            report(f"ours in timm, split {split}", difference(a, b))

        torch.manual_seed(3)
        net = splitbn.network()
        for name, tensor in net.named_parameters():
            if tensor.ndim == 1:
                torch.nn.init.uniform_(tensor, 0.25, 1)
        save_file({k: v.contiguous() for k, v in net.state_dict().items()}, folder / "timm.safetensors")
        net.train()
        with torch.no_grad():
            logits = net(splitbn.images(torch.float32))
        subprocess.run([sys.argv[1], "read", str(folder)], check=True)
        report("timm's here, all splits", difference(load_file(folder / "timm_logits.safetensors")["logits"], logits))
        after, theirs = load_file(folder / "timm_after.safetensors"), net.state_dict()
        assert after.keys() == theirs.keys(), after.keys() ^ theirs.keys()
        running = [n for n in theirs if "running_" in n]
        report(f"{len(running)} running statistics after it", max(difference(after[n], theirs[n]) for n in running))
        counts = [n for n in theirs if n.endswith("num_batches_tracked")]
        assert all(after[n] == 1 for n in counts)
    sys.exit(failed)


if __name__ == "__main__":
    main()
