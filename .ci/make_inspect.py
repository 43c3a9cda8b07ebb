"""requirements-inspect.txt and requirements-inspect-app.txt from requirements-dev.txt; with --check only whether they are as they would be made

A machine that only inspects needs a tenth of what training needs. pip cannot know that, for the package asks for all of it;
so these lists are installed with --no-deps, and the versions are those that the tests run with."""
import re, sys
from pathlib import Path

root = Path(__file__).parent.parent
ROOTS = {'numpy', 'scipy', 'pillow', 'jsonschema', 'fastcore', 'pyarrow', 'onnxruntime'}
APP = ROOTS | {'starlette', 'uvicorn'}
UNUSED = {'sympy', 'coloredlogs', 'protobuf', 'flatbuffers'}               # of onnxruntime's tools; a session imports none of them
HEAD = '''# What a machine needs that only inspects: {what}.
# PyTorch is not among it; the model is the ONNX export that `defect train` leaves in its folder.
#
#   pip install --no-deps -r {file}
#   pip install --no-deps defect_nbdev-*.whl
#
# Made from requirements-dev.txt by .ci/make_inspect.py (make lock); the versions are those that the tests run with.
'''
FILES = {'requirements-inspect.txt': (ROOTS, '`defect predict` and `defect watch`'),
         'requirements-inspect-app.txt': (APP, '`defect predict`, `defect watch` and the page of `defect app`')}

def locked():
    "Lines of the lock file by package, and what asked for each."
    lines, via, name = {}, {}, None
    for l in (root/'requirements-dev.txt').read_text().splitlines():
        if m := re.match(r'([\w.-]+)==', l):
            name = m[1]
            lines.setdefault(name, []).append(l.strip())
        elif name and (m := re.match(r'\s+#\s+(?:via\s+)?([\w.-]+)', l)) and m[1] != 'via': via.setdefault(name, set()).add(m[1])
    return lines, via

def closure(roots, via):
    "Packages that these need, and what those need."
    found = set(roots)
    while more := {p for p, asked in via.items() if asked & found and p not in found | UNUSED}: found |= more
    return found

def made(file):
    roots, what = FILES[file]
    lines, via = locked()
    return HEAD.format(what=what, file=file) + ''.join(f'{l}\n' for p in sorted(closure(roots, via)) for l in lines[p])

if __name__ == '__main__':
    for f in FILES:
        if '--check' not in sys.argv: (root/f).write_text(made(f))
        elif (root/f).read_text() != made(f): sys.exit(f'{f} is older than requirements-dev.txt: run .ci/make_inspect.py.')
