"""Networks with weights drawn at random, and the encoders that the tests make of them."""

from __future__ import annotations

import torch

from image_helpers import SAMPLE_IMAGES
from vicinal import Item


def make_encoder(kind, **params):
    return kind(kind.Params.model_validate(params))


def encode_images(encoder, contents=SAMPLE_IMAGES):
    return encoder.encode([encoder.decode(Item("key", content))[0].sample for content in contents])


def random_torchvision_model(name, seed=0):
    """A network of torchvision with weights and statistics drawn at random."""
    from torchvision.models import get_model

    torch.manual_seed(seed)
    model = get_model(name, weights=None).eval()
    draw_statistics(model)
    return model


def draw_statistics(model):
    """Give batch norms statistics and weights drawn at random, as if they were trained."""
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
            module.weight.data.uniform_(0.5, 1.0)
            module.bias.data.normal_(0, 0.1)
