"""Template: every slot is filled, once, and every packaged prompt is in use."""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path

import pytest

import goalspace
from goalspace.llm.prompts import Template

SOURCES = sorted(Path(goalspace.__file__).parent.rglob("*.py"))
PROMPTS = sorted(
    entry.name.removesuffix(".txt")
    for entry in resources.files("goalspace").joinpath("data", "prompts").iterdir()
)


def test_every_slot_is_filled_wherever_it_stands():
    template = Template("greet", "{{goal}}: {{text}} ({{goal}})")
    assert template.slots == {"goal", "text"}
    assert template.fill(goal="g", text="t") == "g: t (g)"


def test_slots_inside_values_are_not_expanded():
    template = Template("greet", "{{goal}} | {{text}}")
    assert (
        template.fill(goal="{{text}}", text="say {{goal}} or {{other}}")
        == "{{text}} | say {{goal}} or {{other}}"
    )


@pytest.mark.parametrize("text", ["{", "}}", "{0} %s {goal}", r"\1 \g<0> $goal", '{"a": {"b": []}}', "{{}}"])
def test_braces_and_escapes_are_plain_text(text):
    assert Template("t", '{"json": "{{text}}"}').fill(text=text) == f'{{"json": "{text}"}}'
    assert Template("t", text + "{{x}}").fill(x="") == text


def test_missing_and_extra_slots_are_named():
    template = Template("greet", "{{goal}} {{text}}")
    with pytest.raises(TypeError, match=r"^The prompt 'greet' needs 'text'\.$"):
        template.fill(goal="g")
    with pytest.raises(TypeError, match="needs 'goal' and needs 'text' and has no slot 'txt'"):
        template.fill(txt="t")


def test_unknown_prompt_is_an_error():
    with pytest.raises(FileNotFoundError):
        Template.load("no_such_prompt")


@pytest.mark.parametrize("name", PROMPTS)
def test_packaged_prompt(name):
    template = Template.load(name)
    assert template.text == template.text.strip() != ""
    assert template.slots
    # a misspelt slot such as {{ goal }} would reach the model as it stands
    assert "{{" not in template.fill(**dict.fromkeys(template.slots, ""))


def test_prompts_in_the_package_are_those_that_the_code_loads():
    loaded = {
        name for path in SOURCES for name in re.findall(r'Template\.load\("(\w+)"\)', path.read_text("utf-8"))
    }
    assert loaded == set(PROMPTS)


# prompted embeddings depend on what follows the text; a second attempt shares the first one's prompt, which stands first
@pytest.mark.parametrize(
    "name", [name for name in PROMPTS if not name.startswith("pie_") and name != "again"]
)
def test_what_prompts_share_stands_first_and_the_text_last(name):
    """Providers charge less for the beginning of a prompt that they have seen before."""
    text = Template.load(name).text
    shared, rest = re.split(r"(?=\{\{(?!goal\}))", text, maxsplit=1)
    assert 'JSON object: {"' in shared or name == "analyse"
    assert len(max(re.split(r"\{\{\w+\}\}|\n", rest), key=len)) < 40  # titles of what follows
    if "text" in Template.load(name).slots:
        assert re.fullmatch(r"[\s-]*", rest.rpartition("{{text}}")[2])
