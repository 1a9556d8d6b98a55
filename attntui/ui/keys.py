"""Every key binding, once: help, footer, palette and the README's list come from this table."""

from typing import Literal, NamedTuple

from textual.binding import Binding

Group = Literal["Cell", "Head", "Look", "Prompt", "Engine", "Program"]


class Key(NamedTuple):
    """A binding: `keys` as Textual names them, `show` as a person reads them.

    `footer` is the word in the footer, empty where there is no room for it.
    """

    id: str
    keys: str
    show: str
    action: str
    description: str
    group: Group
    footer: str = ""


KEYS: tuple[Key, ...] = (
    Key("cell.left", "left,h", "← h", "move_cell(0,-1)", "Move to the key on the left", "Cell"),
    Key("cell.down", "down,j", "↓ j", "move_cell(1,0)", "Move to the next query", "Cell"),
    Key("cell.up", "up,k", "↑ k", "move_cell(-1,0)", "Move to the query before", "Cell"),
    Key("cell.right", "right,l", "→ l", "move_cell(0,1)", "Move to the key on the right", "Cell"),
    Key("cell.first", "home", "Home", "edge_cell(0,-1)", "Move to the first key", "Cell"),
    Key("cell.last", "end", "End", "edge_cell(0,1)", "Move to the last key", "Cell"),
    Key("cell.page_up", "pageup", "PgUp", "page(-1)", "Move a page of queries up", "Cell"),
    Key("cell.page_down", "pagedown", "PgDn", "page(1)", "Move a page of queries down", "Cell"),
    Key("cell.top", "ctrl+home", "Ctrl+Home", "edge_cell(-1,0)", "Move to the first query", "Cell"),
    Key("cell.bottom", "ctrl+end", "Ctrl+End", "edge_cell(1,0)", "Move to the last query", "Cell"),
    Key("cell.search", "slash", "/", "search", "Search the tokens", "Cell", "search"),
    Key("cell.next", "n", "n", "next_match(1)", "Next match", "Cell"),
    Key("cell.previous", "N", "N", "next_match(-1)", "Match before", "Cell"),
    Key(
        "head.left", "shift+left,left_curly_bracket", "⇧← {", "move_head(-1)", "Head before", "Head"
    ),
    Key(
        "head.right", "shift+right,right_curly_bracket", "⇧→ }", "move_head(1)", "Next head", "Head"
    ),
    Key(
        "head.up", "shift+up,left_square_bracket", "⇧↑ [", "move_layer(-1)", "Layer before", "Head"
    ),
    Key(
        "head.down",
        "shift+down,right_square_bracket",
        "⇧↓ ]",
        "move_layer(1)",
        "Next layer",
        "Head",
    ),
    Key("head.go", "g", "g", "go_to_head", 'Go to a head by name, such as "5.1"', "Head", "go to"),
    Key("head.top", "G", "G", "top_head", "Go to the head with the largest value", "Head"),
    Key("head.map", "o", "o", "next_map", "Colour the head map by another score", "Head", "map by"),
    Key("head.stack", "a", "a", "next_stack", "Encoder, decoder or cross attention", "Head"),
    Key(
        "look.mean",
        "m",
        "m",
        "next_mean",
        "Mean over the heads of this layer, of all",
        "Look",
        "mean",
    ),
    Key(
        "look.rollout",
        "r",
        "r",
        "rollout",
        "Attention rollout through the layers",
        "Look",
        "rollout",
    ),
    Key("look.scale", "s", "s", "next_scale", "Scale: linear, sqrt, log, row", "Look", "scale"),
    Key("look.zoom_in", "z", "z", "zoom(1)", "Zoom in", "Look", "zoom"),
    Key("look.zoom_out", "Z", "Z", "zoom(-1)", "Zoom out", "Look"),
    Key("look.fit", "f", "f", "fit", "Fit the whole prompt", "Look", "fit"),
    Key(
        "look.meaning",
        "equals_sign",
        "=",
        "meaning",
        "What this number is: formula, source",
        "Look",
        "formula",
    ),
    Key("look.theme", "T", "T", "next_theme", "Dark or light theme", "Look"),
    Key("prompt.edit", "i", "i", "edit_prompt", "Edit the prompt", "Prompt", "prompt"),
    Key("engine.log", "L", "L", "log", "The engine's log", "Engine"),
    Key(
        "engine.free",
        "U",
        "U",
        "free",
        "Free the model from the device, or load it again",
        "Engine",
    ),
    Key("engine.retry", "R", "R", "retry", "Start the engine again", "Engine"),
    Key("program.leave", "escape", "Esc", "leave", "Cancel what is running; leave", "Program"),
    Key("program.next", "tab", "Tab", "app.focus_next", "Next pane", "Program"),
    Key("program.help", "question_mark,f1", "?", "help", "Help", "Program", "help"),
    Key("program.palette", "ctrl+p", "Ctrl+P", "app.command_palette", "Command palette", "Program"),
    Key("program.quit", "q,ctrl+q", "q", "app.quit", "Quit", "Program", "quit"),
)

PROMPT_KEYS: tuple[tuple[str, str], ...] = (
    ("Enter", "Run the prompt"),
    ("Ctrl+J", "Start a new line"),
    ("↑ ↓", "On the first and last line: the prompts before and after"),
    ("Esc", "Leave the prompt"),
)


def bindings() -> list[Binding]:
    """The table as Textual wants it."""
    return [
        Binding(key.keys, key.action, key.description, show=False, id=key.id)
        for key in KEYS
        if key.id != "program.palette"  # Textual binds it itself
    ]


def by_group() -> dict[Group, list[Key]]:
    """The table by group, groups in order of first appearance."""
    groups: dict[Group, list[Key]] = {}
    for key in KEYS:
        groups.setdefault(key.group, []).append(key)
    return groups
