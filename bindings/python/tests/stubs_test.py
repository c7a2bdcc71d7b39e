"""The stubs kthena/_core.pyi say what the module has: names, argument names, which have defaults, which go by name only."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path
from typing import Any

import kthena
from kthena import _core

STUBS = Path(kthena.__file__).with_name("_core.pyi")


def of_stub(function: ast.FunctionDef) -> list[str]:
    arguments = function.args
    assert arguments.vararg is None and arguments.kwarg is None
    found = []
    positional = [*arguments.posonlyargs, *arguments.args]
    without = len(positional) - len(arguments.defaults)
    for i, argument in enumerate(positional):
        found.append(argument.arg + ("=" if i >= without else ""))
    for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        found.append("*" + argument.arg + ("=" if default is not None else ""))
    return [name for name in found if name != "self"]


def of_parameters(signature: inspect.Signature) -> list[str]:
    star: dict[Any, str] = {inspect.Parameter.KEYWORD_ONLY: "*"}
    return [
        star.get(parameter.kind, "") + parameter.name + ("" if parameter.default is parameter.empty else "=")
        for parameter in signature.parameters.values()
        if parameter.name != "self"
    ]


def of_docstring(text: str) -> list[str]:
    """pybind11 writes signatures into docstrings, with types of its own."""
    body = text[text.index("(") + 1 : text.rindex(") ->")]
    body = re.sub(r"\[[^\[\]]*(\[[^\[\]]*\])*[^\[\]]*\]", "", body)
    found, star = [], ""
    for argument in filter(None, (part.strip() for part in body.split(","))):
        if argument == "*":
            star = "*"
        elif argument != "/" and not argument.startswith("self"):
            found.append(star + argument.split(":")[0] + ("=" if "=" in argument else ""))
    return found


def of_module(thing: Any) -> list[list[str]]:
    """One list per overload."""
    if type(thing).__name__ in ("method_descriptor", "wrapper_descriptor"):
        return [of_parameters(inspect.signature(thing))]
    lines = [line for line in thing.__doc__.splitlines() if re.match(r"(\d+\. )?\w+\(.*\) ->", line)]
    if len(lines) > 1 and lines[0].startswith("__init__(*args"):
        lines = lines[1:]
    return [of_docstring(line) for line in lines if "*args" not in line]


def test_names_and_signatures() -> None:
    tree = ast.parse(STUBS.read_text(encoding="utf-8"))
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
    assert {*functions, *classes} == {name for name in vars(_core) if not name.startswith("_")}
    for name, node in functions.items():
        assert of_module(getattr(_core, name)) == [of_stub(node)], name
    for class_name, stub in classes.items():
        check_class(getattr(_core, class_name), stub)


def check_class(real: Any, stub: ast.ClassDef) -> None:
    members = {node.name: node for node in stub.body if isinstance(node, ast.FunctionDef)}
    public = {name for name in vars(real) if not name.startswith("_")}
    assert {name for name in members if not name.startswith("_")} == public
    for name, node in members.items():
        is_property = any(isinstance(mark, ast.Name) and mark.id == "property" for mark in node.decorator_list)
        thing = inspect.getattr_static(real, name)
        where = f"{stub.name}.{name}"
        assert is_property == (isinstance(thing, property) or inspect.isgetsetdescriptor(thing)), where
        if is_property or name in ("__eq__", "__hash__", "__len__"):
            continue
        overloads = of_module(thing if not isinstance(thing, (staticmethod, classmethod)) else thing.__func__)
        stubbed = of_stub(node)
        if name == "__init__" and len(overloads) == 2:
            # Two ways to make it: the stub names the arguments of both, and defaults so that each may be left out.
            assert [a.rstrip("=") for a in stubbed] == [a.rstrip("=") for a in [*overloads[0], *overloads[1]]], where
        else:
            assert overloads == [stubbed], where
