"""The keys that open another model, free the present one, and start the engine again."""

from msgspec import structs

from attntui.core.protocol import ModelOptions, PromptInput
from attntui.ui.memory import Memory
from attntui.ui.screens.retyping import Retyping


class Opening(Retyping):
    """A screen whose model can be another one."""

    memory: Memory

    def action_pick_model(self) -> None:
        from attntui.ui.screens.model_picker import ModelPicker

        recent = [options.model for options in self.memory.models()]
        picker = ModelPicker(self.session.options.model, recent)
        self.app.push_screen(picker, self._model_picked)

    def _model_picked(self, name: str | None) -> None:
        if name is not None:
            self.open_model(another(self.session.options, name))

    def open_model(self, options: ModelOptions, prompt: PromptInput | None = None) -> None:
        """See `Retyping`."""
        self.engage(self.session.open(options, prompt))

    def action_retry(self) -> None:
        self.session.accept()
        self.work(None)

    async def action_free(self) -> None:
        if self.session.busy:
            self.say("The engine is at work; Esc cancels that first.")
        elif self.session.model is None:
            self.work(None)
        else:
            await self.session.free()
            self.say("The model is freed; U loads it again.")


def another(options: ModelOptions, name: str) -> ModelOptions:
    """A model by its name, loaded as one with these options was."""
    # A list of layers is of that model.
    record = options.record if options.record in {"all", "fit"} else "all"
    return structs.replace(options, model=name, revision=None, adapter=None, record=record)
