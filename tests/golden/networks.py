"""The PyTorch networks of the golden files and of bench/compare: He's CIFAR ResNets (akamaster's names) and torchvision's
ResNet-18 with a CIFAR stem, both with any number of batch-norm sets under timm's names (bn1.weight, bn1.aux_bn.0.weight)."""

import torch
import torch.nn.functional as F
from torch import nn

CIFAR_MEAN, CIFAR_STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)


class domain_norm(nn.BatchNorm2d):
    """Batch norm with one set of parameters and statistics a domain; domain 0 (main) keeps the plain names."""

    def __init__(self, channels, domains):
        super().__init__(channels)
        if domains > 1:
            self.aux_bn = nn.ModuleList(nn.BatchNorm2d(channels) for _ in range(domains - 1))

    def one(self, x, domain):
        bn = self if domain == 0 else self.aux_bn[domain - 1]
        return F.batch_norm(x, bn.running_mean, bn.running_var, bn.weight, bn.bias, self.training, bn.momentum, bn.eps)

    def forward(self, x, domain):
        """domain: an index, or "halves": the first half of the batch through 0 and the second through 1."""
        if domain == "halves":
            a, b = x.chunk(2)
            return torch.cat((self.one(a, 0), self.one(b, 1)))
        return self.one(x, domain)


def conv(inputs, outputs, kernel, stride=1):
    return nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)


class basic_block(nn.Module):
    def __init__(self, inputs, planes, stride, option, domains):
        super().__init__()
        self.conv1, self.bn1 = conv(inputs, planes, 3, stride), domain_norm(planes, domains)
        self.conv2, self.bn2 = conv(planes, planes, 3), domain_norm(planes, domains)
        self.pad = 0
        if stride != 1 or inputs != planes:
            if option == "A":
                self.pad = planes // 4
            else:
                self.downsample = nn.ModuleList((conv(inputs, planes, 1, stride), domain_norm(planes, domains)))

    def forward(self, x, domain):
        y = F.relu(self.bn1(self.conv1(x), domain))
        y = self.bn2(self.conv2(y), domain)
        if self.pad:
            x = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.pad, self.pad))
        elif hasattr(self, "downsample"):
            x = self.downsample[1](self.downsample[0](x), domain)
        return F.relu(y + x)


class resnet(nn.Module):
    def __init__(self, depths, planes, option, head, domains=2, channels=3, classes=10, mean=CIFAR_MEAN, std=CIFAR_STD):
        super().__init__()
        self.mean = nn.Buffer(torch.tensor(mean).view(1, -1, 1, 1), persistent=False)
        self.std = nn.Buffer(torch.tensor(std).view(1, -1, 1, 1), persistent=False)
        self.conv1, self.bn1 = conv(channels, planes[0], 3), domain_norm(planes[0], domains)
        inputs = planes[0]
        for stage, (depth, width) in enumerate(zip(depths, planes), 1):
            blocks = nn.ModuleList()
            for i in range(depth):
                blocks.append(basic_block(inputs, width, 2 if stage > 1 and i == 0 else 1, option, domains))
                inputs = width
            setattr(self, f"layer{stage}", blocks)
        self.stages, self.head = len(depths), head
        setattr(self, head, nn.Linear(inputs, classes))

    def forward(self, images, domain=0):
        x = (images - self.mean) / self.std
        x = F.relu(self.bn1(self.conv1(x), domain))
        for stage in range(1, self.stages + 1):
            for block in getattr(self, f"layer{stage}"):
                x = block(x, domain)
        return getattr(self, self.head)(x.mean((2, 3)))


def cifar_resnet(depth, **options):
    """He et al. 2015, section 4.2, option A: depth 20, 32, 44, 56 or 110."""
    n = (depth - 2) // 6
    return resnet((n, n, n), (16, 32, 64), "A", "linear", **options)


def resnet18_cifar(**options):
    return resnet((2, 2, 2, 2), (64, 128, 256, 512), "B", "fc", **options)


NETWORKS = {"resnet20": lambda **o: cifar_resnet(20, **o), "resnet56": lambda **o: cifar_resnet(56, **o),
            "resnet18_cifar": resnet18_cifar}
