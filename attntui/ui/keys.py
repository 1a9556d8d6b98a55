"""Every key binding, once: help, footer, palette and the README's list come from this table."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

from textual.binding import Binding

Group = Literal["View", "Cell", "Head", "Look", "Change", "Text", "Prompt", "Engine", "Program"]


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
    Key("page.grid", "1", "1", "show_page('grid')", "Grid: all weights of a head", "View", "grid"),
    Key("page.lines", "2", "2", "show_page('lines')", "Lines between tokens", "View", "lines"),
    Key(
        "page.text", "3", "3", "show_page('text')", "The text, shaded by attention", "View", "text"
    ),
    Key("page.layer", "4", "4", "show_page('layer')", "All heads of a layer", "View", "layer"),
    Key("page.model", "5", "5", "show_page('model')", "All heads of all layers", "View", "model"),
    Key(
        "page.neuron",
        "6",
        "6",
        "show_page('neuron')",
        "One score taken apart: the dimensions of query and key",
        "View",
        "neuron",
    ),
    Key(
        "page.distance",
        "7",
        "7",
        "show_page('distance')",
        "How far each layer and head looks, in longer prompts too",
        "View",
        "distance",
    ),
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
        "cell.enter",
        "enter",
        "Enter",
        "enter",
        "Open a head; turn the text round; sort the dimensions; go on with a prediction",
        "Cell",
    ),
    Key(
        "cell.mark_query", "space", "Space", "mark_query", "Mark this row: the list adds up", "Cell"
    ),
    Key("cell.mark_key", "v", "v", "mark_key", "Mark this column", "Cell"),
    Key("cell.clear", "u", "u", "clear_marks", "Unmark all rows, columns and heads", "Cell"),
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
    Key(
        "head.go",
        "g",
        "g",
        "go_to_head",
        "Go to a head by name, such as 5.1, or to a token by number, such as #12",
        "Head",
        "go to",
    ),
    Key("head.top", "G", "G", "top_head", "Go to the head with the largest value", "Head"),
    Key(
        "head.map",
        "o",
        "o",
        "next_map(1)",
        "Colour the head map by another score",
        "Head",
        "map by",
    ),
    Key("head.map_back", "O", "O", "next_map(-1)", "Back to the score before", "Head"),
    Key(
        "head.sort",
        "S",
        "S",
        "sort",
        "Sort small maps by that score, or by layer and head",
        "Head",
    ),
    Key(
        "head.basis",
        "b",
        "b",
        "next_basis",
        "Scores on this prompt, or on repeated random tokens",
        "Head",
    ),
    Key(
        "head.choose",
        "plus",
        "+",
        "choose_head",
        "Choose this head, to be seen with others",
        "Head",
    ),
    Key("head.describe", "d", "d", "describe", "What this head does, in words and numbers", "Head"),
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
    Key("look.rollout_options", "ctrl+r", "Ctrl+R", "rollout_options", "Rollout's options", "Look"),
    Key(
        "look.method",
        "V",
        "V",
        "next_method",
        "Weights, length passed on, x gradient, relevance, flow",
        "Look",
        "lens",
    ),
    Key(
        "look.direct",
        "F",
        "F",
        "attribution",
        "What each head adds to the likeliest token's logit; again: less the second's",
        "Look",
    ),
    Key(
        "look.logit_lens",
        "Y",
        "Y",
        "logit_lens",
        "What the model would say after each layer",
        "Look",
    ),
    Key("look.scale", "s", "s", "next_scale", "Scale: linear, sqrt, log, row", "Look", "scale"),
    Key(
        "look.threshold_up",
        "greater_than_sign",
        ">",
        "threshold(1)",
        "Draw fewer small weights",
        "Look",
    ),
    Key(
        "look.threshold_down",
        "less_than_sign",
        "<",
        "threshold(-1)",
        "Draw more small weights",
        "Look",
    ),
    Key("look.words", "w", "w", "words", "Words, or the model's own tokens", "Look", "words"),
    Key(
        "look.sinks",
        "t",
        "t",
        "next_sinks",
        "Special tokens and sinks: show, hide, hide and scale rows to 1",
        "Look",
    ),
    Key(
        "look.between",
        "p",
        "p",
        "next_between",
        "Of two sentences: all, A→A, A→B, B→A, B→B",
        "Look",
    ),
    Key("look.zoom_in", "z", "z", "zoom(1)", "Zoom in", "Look", "zoom"),
    Key("look.zoom_out", "Z", "Z", "zoom(-1)", "Zoom out", "Look"),
    Key("look.fit", "f", "f", "fit", "Fit the whole prompt", "Look", "fit"),
    Key("look.pooling", "P", "P", "next_pooling", "Cells of many weights: largest, mean", "Look"),
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
    Key("change.head", "x", "x", "ablate", "Switch this head off, or on again", "Change", "off"),
    Key(
        "change.with",
        "X",
        "X",
        "ablate_with",
        "A head that is off gives zeros, or its mean",
        "Change",
    ),
    Key(
        "change.edge",
        "ctrl+x",
        "Ctrl+X",
        "cut",
        "Cut the edge at the cursor: in this head, this layer, all layers; whole",
        "Change",
    ),
    Key("change.pin", "c", "c", "pin", "Compare what comes next with this run", "Change", "pin"),
    Key(
        "change.shown",
        "D",
        "D",
        "next_shown",
        "The changed run, the one before, their difference; so too a lens and its weights",
        "Change",
    ),
    Key("change.beside", "B", "B", "beside", "Both runs side by side, or one", "Change", "beside"),
    Key(
        "change.model",
        "K",
        "K",
        "compare_with",
        "Compare this run with another model's, of the same text",
        "Change",
    ),
    Key("change.ranked", "A", "A", "changed", "The heads, by how much they changed", "Change"),
    Key(
        "change.undo",
        "backspace",
        "Backspace",
        "restore",
        "All heads on, all edges whole",
        "Change",
    ),
    Key(
        "change.effects",
        "M",
        "M",
        "next_effect",
        "Which head matters: each off in turn; again for another measure",
        "Change",
        "matters",
    ),
    Key("change.estimate", "E", "E", "estimate", "The same, estimated in one pass", "Change"),
    Key("change.order", "Q", "Q", "order", "Swap words: heads of words, heads of order", "Change"),
    Key("text.replace", "C", "C", "replace_token", "Replace the token or word", "Text"),
    Key("text.delete", "delete", "Delete", "delete_token", "Delete it", "Text"),
    Key("text.swap", "W", "W", "swap_tokens", "Swap it with the next one", "Text"),
    Key("text.double", "quotation_mark", '"', "double_token", "Double it", "Text"),
    Key(
        "text.mask",
        "asterisk",
        "*",
        "mask",
        "Mask it, or list what was expected there",
        "Text",
    ),
    Key("text.back", "comma", ",", "step_back", "The run before", "Text"),
    Key("text.on", "semicolon", ";", "step_on", "The run after, the newest", "Text"),
    Key("text.history", "H", "H", "history", "All runs of the session", "Text"),
    Key(
        "change.next",
        "full_stop",
        ".",
        "generate_next",
        "Add the token that the model predicts next",
        "Change",
        "add token",
    ),
    Key(
        "change.generate",
        "colon",
        ":",
        "generate",
        "Add several tokens: greedy, or with temperature, top-k, top-p, seed",
        "Change",
    ),
    Key("prompt.edit", "i", "i", "edit_prompt", "Edit the prompt", "Prompt", "prompt"),
    Key(
        "prompt.second", "I", "I", "edit_second", "Second sentence, or the decoder's text", "Prompt"
    ),
    Key("engine.model", "ctrl+o", "Ctrl+O", "pick_model", "Open another model", "Engine", "model"),
    Key("engine.log", "L", "L", "log", "The engine's log", "Engine"),
    Key(
        "engine.free",
        "U",
        "U",
        "free",
        "Free the model from the device, or load it again",
        "Engine",
    ),
    Key("engine.retry", "R", "R", "retry", "Try again, with less where memory was short", "Engine"),
    Key(
        "program.export", "e", "e", "export", "Write what is in sight to a file", "Program", "write"
    ),
    Key("program.copy", "y", "y", "copy", "Copy the cell, row, column or lists", "Program", "copy"),
    Key("program.leave", "escape", "Esc", "leave", "Cancel what is running; leave", "Program"),
    Key("program.next", "tab", "Tab", "app.focus_next", "Next pane", "Program"),
    Key("program.help", "question_mark,f1", "?", "help", "Help", "Program", "help"),
    Key("program.palette", "ctrl+p", "Ctrl+P", "app.command_palette", "Command palette", "Program"),
    Key("program.quit", "q,ctrl+q", "q", "app.quit", "Quit", "Program", "quit"),
)

PROMPT_KEYS: tuple[tuple[str, str], ...] = (
    ("Enter", "Run the prompt"),
    ("Ctrl+J", "Start a new line"),
    ("Ctrl+T", "To the second sentence or the decoder's text, and back"),
    ("Ctrl+U", "Empty the prompt; Ctrl+Z brings it back"),
    ("Ctrl+Home, Ctrl+End", "To the start and the end of the prompt"),
    ("↑ ↓", "On the first and last line: the prompts before and after"),
    ("Esc", "Leave the prompt"),
)


TYPING_KEYS: tuple[tuple[str, str], ...] = (
    ("Enter", "run"),
    ("Esc", "leave"),
    ("Ctrl+U", "empty"),
    ("Ctrl+J", "new line"),
    ("↑ ↓", "prompts before"),
    ("Ctrl+T", "second text"),
)
"""The footer while one types."""


def bindings() -> list[Binding]:
    """The table as Textual wants it."""
    return [
        Binding(key.keys, key.action, key.description, show=False, id=key.id)
        for key in KEYS
        if key.id != "program.palette"  # the app's, open in every window
    ]


def markdown() -> str:
    """The table as the README shows it."""
    lines = ["| key | does |", "|---|---|"]
    for group, keys in by_group().items():
        lines += [f"| {key.show} | {key.description} |" for key in keys]
        if group == "Prompt":
            lines += [f"| {show} (in the prompt) | {text} |" for show, text in PROMPT_KEYS]
    return "\n".join(lines)


def by_group(table: Sequence[Key] = KEYS) -> dict[Group, list[Key]]:
    """The table by group, groups in order of first appearance."""
    groups: dict[Group, list[Key]] = {}
    for key in table:
        groups.setdefault(key.group, []).append(key)
    return groups
