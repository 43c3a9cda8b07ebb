"""README.md from nbs/index.ipynb: `python .ci/make_readme.py` writes it, `--check` compares,
`--figures` first takes the picture and the figures of the index from the last `make demo`.

nbdev_readme needs the Quarto binary; nbconvert does the same here without it.
"""
import re, shutil, sys
from pathlib import Path
import nbformat
from nbconvert import MarkdownExporter

root = Path(__file__).parent.parent
def figures():
    from PIL import Image
    shutil.copy(root/'demo/metrics.json', root/'nbs/images/demo.json')
    Image.open(root/'demo/contact_sheet.png').convert('RGB').save(root/'nbs/images/demo.jpg', quality=80)

if '--figures' in sys.argv: sys.exit(figures())
nb = nbformat.read(root/'nbs/index.ipynb', as_version=4)
nb.cells = [c for c in nb.cells if not re.match(r'#\|\s*(hide|default_exp)', c.source)]
for c in nb.cells:
    if c.cell_type == 'code': c.source = '' if '#| echo: false' in c.source else '\n'.join(l for l in c.source.splitlines() if not l.startswith('#|'))
md, _ = MarkdownExporter().from_notebook_node(nb)
md = re.sub(r'^```\n+```\n', '', md, flags=re.M)             # cells with `echo: false` show only what they print
md = re.sub(r'^> ', '', md, count=1, flags=re.M)
md = re.sub(r'(\]\(|src=")(\w+/[\w/]+\.(?:ipynb|jpg|png))', r'\1nbs/\2', md)
md = re.sub(r'\n{3,}', '\n\n', '<!-- Made from nbs/index.ipynb by .ci/make_readme.py; edit the notebook. -->\n\n' + md.strip() + '\n')
if '--check' in sys.argv: sys.exit(0 if (root/'README.md').read_text() == md else 'README.md is older than nbs/index.ipynb: run make readme.')
(root/'README.md').write_text(md)
