"""Chats: the model's own template, and whose words each token is."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from attntui.core.errors import UserError
from attntui.core.protocol import PromptInput
from attntui.engine import chat, encoding
from attntui.engine.model import Encoded

Load = Callable[[str], Any]

CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SYSTEM_IN_USER = (
    "{% if messages[0].role == 'system' %}{% set told = messages[0].content | trim + '\n' %}"
    "{% set messages = messages[1:] %}{% endif %}{% for m in messages %}"
    "{% if m.role not in ['user', 'assistant'] %}{{ raise_exception('No role ' + m.role) }}"
    "{% endif %}[{{ m.role }}]{{ told if loop.first }}{{ m.content | trim }}{% endfor %}"
)
IN_PARTS = (
    "{% for m in messages %}{{ m.role }}:{% for part in m.content %}"
    "{% if part.type == 'text' %}{{ part.text }}{% endif %}{% endfor %}|{% endfor %}"
)
CONVERSATION = [
    {"role": "system", "content": "system"},
    {"role": "user", "content": " the store"},
    {"role": "assistant", "content": "the garden"},
    {"role": "user", "content": "the dog, the dog"},
]


def encode(loaded: Any, text: str, template: str | None = None, **more: Any) -> Encoded:
    if template is not None:
        loaded.tokenizer.chat_template = template
    return encoding.encode(loaded, PromptInput(text=text, chat=True, **more))


def said(encoded: Encoded) -> list[tuple[str, str]]:
    """Runs of tokens by whose they are."""
    runs: list[tuple[str, str]] = []
    for token in encoded.sides[0].tokens:
        text = token.text
        if runs and runs[-1][0] == token.role:
            text = runs.pop()[1] + text
        runs.append((token.role, text))
    return runs


def refusal(loaded: Any, text: str, **more: Any) -> str:
    with pytest.raises(UserError) as caught:
        encode(loaded, text, **more)
    return str(caught.value)


@pytest.fixture
def llama(load: Load) -> Any:
    """A model whose tokenizer may be given another template."""
    loaded = load("llama")
    template = loaded.tokenizer.chat_template
    yield loaded
    loaded.tokenizer.chat_template = template


def test_plain_text_is_one_user_message(llama: Any) -> None:
    encoded = encode(llama, " the store ")
    messages = [{"role": "user", "content": " the store "}]
    own = llama.tokenizer.apply_chat_template(messages, add_generation_prompt=True)
    assert encoded.inputs["input_ids"][0].tolist() == own["input_ids"]
    tokens = encoded.sides[0].tokens
    assert [token.text for token in tokens].count("<s>") == 1
    message = [token for token in tokens if token.part == 0]
    assert "".join(token.text for token in message).strip() == "the store"
    assert {token.role for token in message} == {"user"}
    assert (message[0].start, message[-1].end) == (1, 10)
    assert {(token.role, token.start) for token in tokens if token.part < 0} == {("", -1)}


def test_roles_of_a_conversation(llama: Any) -> None:
    """A message that says what the template says too is found in its own place."""
    encoded = encode(llama, json.dumps(CONVERSATION), CHATML)
    own = llama.tokenizer.apply_chat_template(CONVERSATION, add_generation_prompt=True)
    assert encoded.inputs["input_ids"][0].tolist() == own["input_ids"]
    assert said(encoded) == [
        ("", " <|im_start|>system\n"),
        ("system", "system"),
        ("", "<|im_end|>\n<|im_start|>user\n"),
        ("user", " the store"),
        ("", "<|im_end|>\n<|im_start|>assistant\n"),
        ("assistant", "the garden"),
        ("", "<|im_end|>\n<|im_start|>user\n"),
        ("user", "the dog, the dog"),
        ("", "<|im_end|>\n<|im_start|>assistant\n"),
    ]
    words = [(word.text, word.role, word.part) for word in encoded.sides[0].words if word.role]
    assert words[:4] == [
        ("system", "system", 0),
        ("the", "user", 0),
        ("store", "user", 0),
        ("the", "assistant", 0),
    ]


def test_a_last_answer_asks_for_none(llama: Any) -> None:
    encoded = encode(llama, json.dumps(CONVERSATION[:3]), CHATML)
    assert said(encoded)[-1] == ("", "<|im_end|>\n")


def test_one_start_token_is_enough(llama: Any) -> None:
    for template in (None, CHATML):
        encoded = encode(llama, "the dog", template, special_tokens="bos")
        assert [token.text for token in encoded.sides[0].tokens].count("<s>") == 1


def test_a_system_message_inside_the_users(llama: Any) -> None:
    text = json.dumps(CONVERSATION[:2])
    assert said(encode(llama, text, SYSTEM_IN_USER)) == [
        ("", " [user]"),
        ("system", "system"),
        ("", "\n"),
        ("user", "the store"),
    ]


def test_templates_that_take_messages_in_parts(llama: Any) -> None:
    """As image-text models have them; so may the user write them."""
    parts = [{"role": "user", "content": [{"type": "text", "text": "the dog"}]}]
    for text in ("the dog", json.dumps(parts)):
        assert said(encode(llama, text, IN_PARTS)) == [
            ("", " user:"),
            ("user", "the dog"),
            ("", "|"),
        ]


def test_a_template_that_depends_on_what_is_said(llama: Any) -> None:
    template = (
        "{% for m in messages %}{% if 'dog' in m.content %}#{% endif %}{{ m.content }}|{% endfor %}"
    )
    text = json.dumps([{"role": "a", "content": "the dog"}, {"role": "b", "content": "the door"}])
    assert said(encode(llama, text, template)) == [
        ("", " #"),
        ("a", "the dog"),
        ("", "|"),
        ("b", "the door"),
        ("", "|"),
    ]


@pytest.mark.parametrize(
    "text",
    ["[1, 2]", "[]", '[{"content": "a"}]', '{"role": "user"}', "[" * 100_000, '[{"role": "a"}, 1]'],
)
def test_what_is_no_list_of_messages_is_text(text: str) -> None:
    assert chat.messages(text) == [chat.Message("user", text)]


def test_what_cannot_be_said(llama: Any, load: Load) -> None:
    def listed(**message: Any) -> str:
        return json.dumps([{"role": "user", "content": "a"}, message])

    assert "no chat template" in refusal(load("gpt2"), "Mary")
    assert "--pair or --chat" in refusal(llama, "Mary", pair="John")
    assert "Message 2 of the chat needs a content" in refusal(llama, listed(role="user"))
    assert "Message 2 of the chat needs a role" in refusal(llama, listed(role=1, content="a"))
    pictured = listed(role="user", content=[{"type": "image", "url": "cat.png"}])
    assert "holds 'image'" in (sentence := refusal(llama, pictured)) and "no images" in sentence
    assert "empty" in refusal(llama, '[{"role": "user", "content": " "}]')
    shouted = '[{"role": "\\u001b[31m", "content": "a"}]'
    sentence = refusal(llama, shouted, template=SYSTEM_IN_USER)
    assert "refuses this: No role ␛[31m" in sentence
