"""How tokens are chosen, from what was asked for."""

import secrets

from attntui.core.protocol import Sampling


def sampling_of(
    temperature: float | None = None,
    top_k: int | None = None,
    top_p: float | None = None,
    seed: int | None = None,
) -> Sampling:
    """Greedy where nothing is given, or a temperature of 0; else drawn, at temperature 1 where only
    other options are given, with a seed of its own where none is."""
    given = (temperature, top_k, top_p, seed)
    if temperature == 0 or all(option is None for option in given):
        return Sampling()
    return Sampling(
        temperature=1.0 if temperature is None else temperature,
        top_k=top_k,
        top_p=top_p,
        seed=secrets.randbelow(10_000) if seed is None else seed,
    )
