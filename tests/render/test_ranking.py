"""Figures of a ranked list."""

from attntui.render.ranking import places


def test_small_weights_have_two_figures_and_nothing_has_none() -> None:
    weights = (0.5, 0.0034, 0.000031, 6e-7, 1e-9, 0.0, float("nan"))
    shown = [f"{weight:.{places(weight, 3)}f}" for weight in weights]
    assert shown == ["0.500", "0.0034", "0.000031", "0.000001", "0.000", "0.000", "nan"]
