"""Scripts are thin: each opens a Job and calls what cisweep.jobs gives for its rule."""

import ast

MOST_LINES = 10


def code_lines(text: str) -> int:
    """Return the lines of code: no docstring, imports, comments or empty lines."""
    lines = set()
    for node in ast.parse(text).body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            continue
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            continue
        lines |= set(range(node.lineno, node.end_lineno + 1))
    source = text.splitlines()
    return sum(bool(source[i - 1].split("#")[0].strip()) for i in lines)


def scripts(root):
    found = sorted((root / "scripts").glob("*.py"))
    assert len(found) >= 50
    return found


def test_lines_are_counted_without_imports_and_words():
    text = (
        '"""Doc."""\n\nimport os\n\n# why\nwith f() as x:\n    # why\n\n    g(\n        x,\n    )\n'
    )
    assert code_lines(text) == 4


def test_a_script_has_at_most_ten_lines(root):
    counted = {path.name: code_lines(path.read_text()) for path in scripts(root)}
    assert {name: n for name, n in counted.items() if not 2 <= n <= MOST_LINES} == {}


def test_a_script_calls_the_function_of_its_name(root):
    """What it computes is tested without Snakemake, so it stands in cisweep.jobs."""
    allowed = {"cisweep.job", "cisweep.jobs", "shutil", "pathlib"}
    for path in scripts(root):
        tree = ast.parse(path.read_text())
        modules = [n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)]
        modules += [a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names]
        rooms = {".".join(m.split(".")[:2]) for m in modules}
        assert rooms <= allowed, f"{path.name}: {rooms - allowed}"
        named = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.ClassDef)]
        assert not named, path.name
        calls = {n.func.id for n in ast.walk(tree) if isinstance(n, ast.Call)
                 and isinstance(n.func, ast.Name)}  # fmt: skip
        assert path.stem in calls, path.name
