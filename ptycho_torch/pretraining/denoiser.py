"""Make the denoiser that comes with ptycho.

    python -m ptycho_torch.pretraining.denoiser FILE.safetensors [--steps 9000] [--objects 300] [--seed 0]

Draws complex objects of the family and of other structures (lines, blobs, crystals, power-law noise), adds white and
slightly blurred Gaussian noise of 1 to 60 % of the object, and trains `nets.denoiser` to remove it. No measured data
and no photographs take part. To ship it, write over `ptycho_torch/pretrained/denoiser.safetensors`.
"""

import argparse
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor
from tqdm import trange

from ptycho_torch.files import atomic_write
from ptycho_torch.nets.denoiser import Denoiser, blur
from ptycho_torch.physics.simulate import Complex, Real, complex_object
from ptycho_torch.pretraining.family import random_object
from ptycho_torch.simulation import objects

SIDE, CROP, BATCH = 160, 64, 12
NOISE = (0.01, 0.6)  # standard deviation, of the modulus of the object
MODULUS = (0.7, 1.3)  # of empty space
BLURRED = 0.3  # of the batches have noise that is
BLUR_PX = (0.5, 0.9)
LEARNING_RATE, WARM_UP, LARGEST_GRADIENT = 2e-3, 100, 1.0


def random_structures(rng: np.random.Generator, side: int) -> Complex:
    """A complex object `(side, side)`, drawn by rng: dead leaves as of the family, or one or a mixture of other
    structures in modulus and phase."""
    if rng.random() < 0.5:
        return random_object(rng, side)
    absorption = _structure(rng, side)
    thickness = absorption if rng.random() < 0.5 else _structure(rng, side)
    if rng.random() < 0.4:
        share = rng.uniform(0.2, 0.8)
        absorption, thickness = ((1 - share) * part + share * _structure(rng, side) for part in (absorption, thickness))
    phase = float(np.exp(rng.uniform(np.log(0.1), np.log(2.5))))
    return complex_object(1 - absorption, thickness, (rng.uniform(0.3, 0.95), 1.0), (0.0, phase))


def _structure(rng: np.random.Generator, side: int) -> Real:
    kind = rng.integers(4)
    if kind == 0:
        return objects.straight_lines(rng, side, int(rng.integers(5, 60)), rng.uniform(1.5, 8))
    if kind == 1:
        return objects.blobs(rng, side, rng.uniform(2, 20), sharp=rng.random() < 0.5)
    if kind == 2:
        return objects.polyhedra(rng, side, int(rng.integers(3, 40)), rng.uniform(5, 30))
    return objects.power_law_noise(rng, side, rng.uniform(1.0, 2.0))


def draw_batch(rng: np.random.Generator, bank: Sequence[Complex]) -> tuple[Tensor, Tensor, Tensor]:
    """Objects `(B, CROP, CROP)` complex64 cut out of the bank and turned, noise for them, and its standard deviation
    `(B, CROP, CROP)`; all drawn by rng."""
    clean = torch.from_numpy(np.stack([_crop(rng, bank[int(rng.integers(len(bank)))]) for _ in range(BATCH)]))
    low, high = np.log(NOISE)
    size = np.exp(rng.uniform(low, high, (BATCH, 1, 1))).astype(np.float32)
    drawn = rng.standard_normal((2, BATCH, CROP, CROP), np.float32)
    noise = torch.complex(*torch.from_numpy(drawn)) / math.sqrt(2)
    if rng.random() < BLURRED:
        noise = blur(noise, rng.uniform(*BLUR_PX))
        noise = noise / noise.abs().square().mean((1, 2), keepdim=True).sqrt()
    deviation = torch.from_numpy(size).expand(clean.shape)
    return clean, noise * deviation, deviation


def _crop(rng: np.random.Generator, whole: Complex) -> Complex:
    y, x = rng.integers(0, np.array(whole.shape) - CROP)
    part: Complex = np.rot90(whole[y : y + CROP, x : x + CROP], int(rng.integers(4)))
    part = part[::-1] if rng.random() < 0.5 else part
    part = part.conj() if rng.random() < 0.5 else part
    factor = rng.uniform(*MODULUS) * np.exp(1j * rng.uniform(0, 2 * np.pi))
    return np.asarray(part * factor, np.complex64)


def train_denoiser(steps: int, count: int, seed: int) -> tuple[Denoiser, float]:
    """A denoiser after so many steps, and the rms of what is left of the noise in its last twentieth.

    count: of different objects, of which it sees parts; seed: of weights, objects and noise.
    """
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    bank = [random_structures(rng, SIDE) for _ in range(count)]
    model = Denoiser()
    optimizer = torch.optim.AdamW(model.parameters(), LEARNING_RATE, weight_decay=1e-4)

    def rate(step: int) -> float:
        return min(1.0, (step + 1) / WARM_UP) * (0.5 * (1 + math.cos(math.pi * step / steps)) + 0.005)

    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, rate)
    lost: list[float] = []
    for _ in (bar := trange(steps, unit="step", mininterval=5)):
        clean, noise, deviation = draw_batch(rng, bank)
        left = model(clean + noise, deviation) - clean
        loss = (left.abs().square() / deviation.square()).mean((1, 2)).sqrt().mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), LARGEST_GRADIENT)
        optimizer.step()
        schedule.step()
        lost.append(float(loss.detach()))
        bar.set_postfix(left=f"{np.mean(lost[-100:]):.3f}", refresh=False)
    return model, float(np.mean(lost[-max(1, steps // 20) :]))


def main(argv: Sequence[str] | None = None) -> None:
    """Make the denoiser; argv: the arguments of the command, those of the process by default."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--steps", type=int, default=9000)
    parser.add_argument("--objects", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args(argv)
    if min(arguments.steps, arguments.objects) < 1:
        parser.error("give at least one step and one object")
    model, left = train_denoiser(arguments.steps, arguments.objects, arguments.seed)
    with atomic_write(arguments.file) as temporary:
        recipe = {name: str(getattr(arguments, name)) for name in ("steps", "objects", "seed")}
        save_file(model.state_dict(), temporary, recipe)
    print(f"wrote {arguments.file}: {left:.3f} of the noise is left")


if __name__ == "__main__":
    main()
