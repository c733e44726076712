"""The product's steps and resources, told at each statement that they run.

Their source is compiled with a call before every statement, so that whatever else runs goes at its own pace (a trace
function is called for everything: trainings take five times as long), and other threads than the main one are told of.
"""

import ast
import sys
from collections.abc import Callable, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

ROOMS = ("healthcare_assets.steps", "healthcare_assets.resources")
_PRODUCT = Path(__file__).resolve().parents[2] / "healthcare_assets"
_TOLD = "__statement_begins__"
_listener: Callable[[str], None] | None = None


def listen(listener: Callable[[str], None] | None) -> None:
    """From now on the listener is called with `<file>:<line>` before each statement; None: nobody is."""
    global _listener  # noqa: PLW0603 - there is one process, and one listener in it
    _listener = listener


def install() -> None:
    """Compile so what is imported from now on."""
    sys.meta_path.insert(0, _Finder())


def _begins(where: str) -> None:
    if _listener is not None:
        _listener(where)


class _Finder(MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if not fullname.startswith(tuple(f"{room}." for room in ROOMS)):
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and isinstance(spec.loader, SourceFileLoader):
            spec.loader = _Loader(fullname, spec.loader.path)
        return spec


class _Loader(SourceFileLoader):
    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        tree = _Telling(str(Path(path).relative_to(_PRODUCT))).visit(ast.parse(self.get_data(path), path))
        code: CodeType = compile(ast.fix_missing_locations(tree), path, "exec", dont_inherit=True)
        return code

    def exec_module(self, module: ModuleType) -> None:
        vars(module)[_TOLD] = _begins
        super().exec_module(module)


class _Telling(ast.NodeTransformer):
    """Puts the call before each statement of each function."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._inside = 0

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        self._inside += 1
        self.generic_visit(node)
        self._inside -= 1
        return node

    def generic_visit(self, node: ast.AST) -> ast.AST:
        super().generic_visit(node)
        for name in ("body", "orelse", "finalbody"):
            statements = getattr(node, name, None)
            if self._inside and isinstance(statements, list) and not isinstance(node, ast.ClassDef):
                setattr(node, name, [told for statement in statements for told in (self._call(statement), statement)])
        return node

    def _call(self, statement: Any) -> ast.Expr:
        call = ast.Call(
            func=ast.Name(id=_TOLD, ctx=ast.Load()),
            args=[ast.Constant(f"{self._file}:{statement.lineno}")],
            keywords=[],
        )
        return ast.copy_location(ast.Expr(call), statement)
