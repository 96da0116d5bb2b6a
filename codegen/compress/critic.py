"""The critic of the finishing stage: tells teacher pictures from student pictures, patch by patch."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils.parametrizations import spectral_norm

SLOPE = 0.2  # of the leaky ReLU


@dataclass(frozen=True)
class Verdict:
    """What the critic saw: ``features`` of its inner layers and ``scores`` [N, 1, H/4, W/4], high for real."""

    features: tuple[torch.Tensor, ...]
    scores: torch.Tensor


class Critic(nn.Module):
    """Four convolutions over photo and picture; a score sees 26x26 pixels. Never shipped."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            (
                spectral_norm(nn.Conv2d(6, width, 4, stride=2, padding=1)),
                spectral_norm(nn.Conv2d(width, 2 * width, 4, stride=2, padding=1)),
                spectral_norm(nn.Conv2d(2 * width, 2 * width, 3, padding=1)),
            )
        )
        self.score = spectral_norm(nn.Conv2d(2 * width, 1, 3, padding=1))

    def forward(self, photo: torch.Tensor, picture: torch.Tensor) -> Verdict:
        """Judge a picture [N, 3, H, W] beside its photo; both in [-1, 1]."""
        values = torch.cat((photo, picture), dim=1)
        features = []
        for layer in self.layers:
            values = functional.leaky_relu(layer(values), SLOPE)
            features.append(values)
        return Verdict(tuple(features), self.score(values))


def critic_loss(real: Verdict, fake: Verdict) -> torch.Tensor:
    """Hinge loss of the critic (Miyato et al. 2018, equation 16)."""
    return functional.relu(1 - real.scores).mean() + functional.relu(1 + fake.scores).mean()


def fooling_loss(fake: Verdict) -> torch.Tensor:
    """What the student pays for being found out (Miyato et al. 2018, equation 17)."""
    return -fake.scores.mean()


def feature_loss(real: Verdict, fake: Verdict) -> torch.Tensor:
    """Mean L1 between the critic's features of both pictures (Wang et al. 2018, pix2pixHD, equation 4)."""
    distances = [(one.detach() - other).abs().mean() for one, other in zip(real.features, fake.features, strict=True)]
    return torch.stack(distances).mean()
