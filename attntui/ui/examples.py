"""Where the screen opens when the user said nothing: prompt, head and token."""

from attntui.core.protocol import ModelInfo, PromptInput
from attntui.demo import MODELS
from attntui.ui.state import Look

CAUSAL = "When Mary and John went to the store, John gave a drink to"
MASKED = "The doctor said that the {mask} was late again."
ENCODER = "The doctor said that the nurse was late again."
SOURCE = "translate English to German: The house is wonderful."
TARGET = "Das Haus ist wunderbar."


def example_prompt(name: str, model: ModelInfo) -> PromptInput:
    """A prompt for a model; the bundled ones have their own."""
    if name in MODELS:
        return PromptInput(text=MODELS[name].prompt)
    if any(stack.name == "cross" for stack in model.stacks):
        return PromptInput(text=SOURCE, decoder_text=TARGET)
    if model.predicts == "masked" and model.mask_token:
        return PromptInput(text=MASKED.format(mask=model.mask_token))
    causal = any(stack.causal for stack in model.stacks)
    return PromptInput(text=CAUSAL if causal else ENCODER)


def favourite_head(name: str) -> tuple[int, int]:
    """The head to open on, (layer, head): the one a bundled model is known for, else the first."""
    return MODELS[name].head if name in MODELS else (0, 0)


def first_query(look: Look) -> int:
    """The query to open on: the masked place of a masked model, else the last token."""
    model = look.model
    if model is not None and model.mask_token is not None:
        for at, token in enumerate(look.queries):
            if token.text.strip() == model.mask_token:
                return at
    return max(len(look.queries) - 1, 0)
