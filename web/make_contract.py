"""Write web/src/contract.ts: the typed dictionaries of the explorer's contract as TypeScript types."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path

ROOT = Path(__file__).parents[1]
TARGET = ROOT / "web" / "src" / "contract.ts"
PACKAGE = ROOT / "src" / "goalspace"
SOURCES = ("edits/contract.py", "reports/contract.py", "reports/contract_details.py", "explorer/contract.py")
HEADER = f"// Generated from src/goalspace/ ({', '.join(SOURCES)}) by `make contract`; do not edit."
PRIMITIVES = {"str": "string", "int": "number", "float": "number", "bool": "boolean"}


def contract() -> str:
    """Return the file."""
    modules = [ast.parse((PACKAGE / source).read_text("utf-8")) for source in SOURCES]
    blocks = [HEADER, *(block for module in modules for block in module_blocks(module))]
    return "\n\n".join(blocks) + "\n"


def module_blocks(module: ast.Module) -> Iterator[str]:
    """The docstring of a module as a comment, then one type for each typed dictionary and each alias."""
    about = ast.get_docstring(module) or ""
    yield "\n".join(f"// {line}".rstrip() for line in about.splitlines())
    for statement, doc in documented(module.body):
        match statement:
            case ast.ClassDef(name=name, bases=bases, keywords=options):
                parents = [base for base in map(ast.unparse, bases) if base != "TypedDict"]
                optional = "total=False" in map(ast.unparse, options)
                fields = [
                    (field.target.id, field.annotation, text)
                    for field, text in documented(statement.body)
                    if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
                ]
                extends = f" extends {', '.join(parents)}" if parents else ""
                about = ast.get_docstring(statement) or ""
                yield f"{comment(about)}export interface {name}{extends} {members(fields, optional)}"
            # the form for keys that are keywords of Python
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Call(args=[_, ast.Dict() as items])):
                fields = [
                    (ast.literal_eval(key), value, "")
                    for key, value in zip(items.keys, items.values, strict=True)
                    if key is not None
                ]
                yield f"{comment(doc)}export interface {name} {members(fields, optional=False)}"
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                yield f"{comment(doc)}export type {name} = {type_of(value)};"


def documented(body: list[ast.stmt]) -> Iterator[tuple[ast.stmt, str]]:
    """Each statement with the docstring that follows it, "" if there is none."""
    for statement, following in zip_longest(body, body[1:]):
        match following:
            case ast.Expr(value=ast.Constant(value=str(text))):
                yield statement, text
            case _:
                yield statement, ""


def members(fields: list[tuple[str, ast.expr, str]], optional: bool) -> str:
    """The fields of an interface in braces."""
    lines = []
    for name, annotation, doc in fields:
        mark = "?" if optional else ""
        match annotation:
            case ast.Subscript(value=ast.Name(id="NotRequired"), slice=annotation):
                mark = "?"
        lines.append(comment(doc, "  ") + f"  {name}{mark}: {type_of(annotation)};\n")
    return "{\n" + "".join(lines) + "}"


def type_of(annotation: ast.expr) -> str:
    """An annotation in TypeScript; names that are not built in are those of the contract, which tsc checks."""
    match annotation:
        case ast.Constant(value=None):
            return "null"
        case ast.Name(id=name):
            return PRIMITIVES.get(name, name)
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return f"{type_of(left)} | {type_of(right)}"
        case ast.Subscript(value=ast.Name(id="list"), slice=item):
            inner = type_of(item)
            return f"({inner})[]" if isinstance(item, ast.BinOp) else f"{inner}[]"
        case ast.Subscript(value=ast.Name(id="dict"), slice=ast.Tuple(elts=[key, value])):
            return f"Record<{type_of(key)}, {type_of(value)}>"
        case ast.Subscript(value=ast.Name(id="tuple"), slice=ast.Tuple(elts=items)):
            return f"[{', '.join(map(type_of, items))}]"
        case ast.Subscript(value=ast.Name(id="Literal"), slice=ast.Tuple(elts=values)):
            return " | ".join(map(literal, values))
        case ast.Subscript(value=ast.Name(id="Literal"), slice=value):
            return literal(value)
    raise ValueError(f"line {annotation.lineno}: {ast.unparse(annotation)} has no translation to TypeScript")


def literal(value: ast.expr) -> str:
    """A value in a Literal."""
    return json.dumps(ast.literal_eval(value), ensure_ascii=False)


def comment(doc: str, indent: str = "") -> str:
    """A docstring as a documentation comment, "" if there is none."""
    return f"{indent}/** {' '.join(doc.split())} */\n" if doc else ""


if __name__ == "__main__":
    TARGET.write_text(contract(), encoding="utf-8")
