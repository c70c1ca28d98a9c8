"""Converts HDR and wide-gamut video to sRGB.

PQ: SMPTE ST 2084. HLG: ITU-R BT.2100, on a display of 1000 cd/m2. Reference white of both is 203 cd/m2 (ITU-R BT.2408).
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

HDR_NAMES = {"pq": "PQ", "hlg": "HLG"}
WHITE = 203.0  # cd/m2 that become white in sRGB
HLG_PEAK, HLG_GAMMA = 1000.0, 1.2  # cd/m2, and the gamma of a display of that peak
KNEE = 0.7  # of white: brighter values are compressed, darker ones stay unchanged
_LUMA_2020 = np.array([0.2627, 0.6780, 0.0593], np.float32)
_FROM_2020 = np.array(  # BT.2020 to BT.709, both linear (ITU-R BT.2087)
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]], np.float32
)


def to_srgb(rgba: np.ndarray, transfer: str, wide: bool) -> np.ndarray:
    """Converts uint16 RGBA [H, W, 4] to uint8 RGBA in sRGB.

    transfer: the transfer function, "pq", "hlg", "linear", or "sdr", which is read as sRGB. wide: whether the primaries
    are those of BT.2020.
    """
    light = _table(transfer)[rgba[..., :3]]  # linear, 1 is white
    if transfer == "hlg":
        luma = np.maximum(light @ _LUMA_2020, 1e-6)[..., None]
        light = light * luma ** (HLG_GAMMA - 1) * (HLG_PEAK / WHITE)
    if wide:
        light = np.maximum(light @ _FROM_2020.T, 0)
    if transfer in HDR_NAMES:
        light = _tone_mapped(light)
    code = (_encoded(light) * 255 + 0.5).astype(np.uint8)
    alpha = ((rgba[..., 3:].astype(np.uint32) + 128) // 257).astype(np.uint8)
    return np.concatenate([code, alpha], -1)


@lru_cache(maxsize=4)
def _table(transfer: str) -> np.ndarray:
    """Returns the linear light of each 16-bit code, float32 [65536]."""
    code = np.linspace(0, 1, 65536)
    light = {"pq": _from_pq, "hlg": _from_hlg, "sdr": _from_srgb, "linear": np.asarray}[transfer](code)
    return light.astype(np.float32)


def _from_pq(code: np.ndarray) -> np.ndarray:
    m1, m2, c1, c2, c3 = 2610 / 16384, 2523 / 32, 3424 / 4096, 2413 / 128, 2392 / 128
    power = code ** (1 / m2)
    return 10000 / WHITE * (np.maximum(power - c1, 0) / (c2 - c3 * power)) ** (1 / m1)


def _from_hlg(code: np.ndarray) -> np.ndarray:
    """Returns scene light, 0..1. Display light depends on all three channels."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    return np.where(code <= 0.5, code**2 / 3, (np.exp((code - c) / a) + b) / 12)


def _from_srgb(code: np.ndarray) -> np.ndarray:
    return np.where(code <= 0.04045, code / 12.92, ((code + 0.055) / 1.055) ** 2.4)


def _encoded(light: np.ndarray) -> np.ndarray:
    light = np.clip(light, 0, 1)
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)


def _tone_mapped(light: np.ndarray) -> np.ndarray:
    """Compresses highlights by the brightest channel of each pixel, which keeps its hue."""
    peak = light.max(-1, keepdims=True)
    above = np.maximum(peak - KNEE, 0)
    return light * np.where(above > 0, (KNEE + (1 - KNEE) * -np.expm1(-above / (1 - KNEE))) / np.maximum(peak, 1e-6), 1)
