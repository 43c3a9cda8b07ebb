"""The documentation in _docs without the Quarto binary: `make docs`

nbdev processes the notebooks as for Quarto, and smalldocs renders them by the same _quarto.yml. On GitHub the site is built by Quarto itself (`nbdev_docs`)."""
import json, re, shutil, sys
from pathlib import Path
import yaml

root = Path(__file__).parent.parent

def processed():
    "The notebooks as nbdev hands them to Quarto: hidden cells gone, documentation of names filled in."
    from nbdev.config import get_config
    from nbdev.doclinks import _build_modidx
    from nbdev.quarto import nbdev_sidebar, refresh_quarto_yml
    from nbdev.serve import proc_nbs
    before = (root/'nbs/_quarto.yml').read_text()
    refresh_quarto_yml()
    assert (root/'nbs/_quarto.yml').read_text() == before
    _build_modidx()
    nbdev_sidebar.__wrapped__()
    return Path(proc_nbs(n_workers=0, force=True)), get_config()

def html_name(p): return p.with_name(re.sub(r'^\d+[a-zA-Z0-9]*_', '', p.name.lower())).with_suffix('.html')

def renamed(site):
    "Quarto takes the name of a page from its front matter; here the file itself gets it. Old relative path -> new one."
    names = {}
    for p in sorted(site.rglob('*.ipynb')):
        new = html_name(p).with_suffix('.ipynb')
        names[p.relative_to(site).as_posix()] = new.relative_to(site).as_posix()
        if new != p: p.rename(new)
    return names

def relink(site, names, cfg):
    "Links to notebooks and to the published site become links within this one."
    away = re.compile(re.escape(cfg.doc_host + cfg.doc_baseurl) + '/?')
    base = {Path(o).name: Path(n).name for o, n in names.items()}
    for p in site.rglob('*.ipynb'):
        nb = json.loads(p.read_text())
        up = '../'*(len(p.relative_to(site).parts) - 1)
        for c in nb['cells']:
            s = ''.join(c['source'])
            s = away.sub(up, s)
            s = re.sub(r'^output-file: .*\n', '', s, flags=re.M)
            if c['cell_type'] != 'code': s = re.sub(r'(\]\((?:[\w./-]*/)?)([\w-]+\.ipynb)', lambda m: m[1] + base.get(m[2], m[2]), s)
            c['source'] = s
            for o in c.get('outputs', []):
                for k, v in o.get('data', {}).items():
                    if k.startswith('text/'): o['data'][k] = away.sub(up, ''.join(v))
        p.write_text(json.dumps(nb))

def configured(site, names):
    "_quarto.yml with the globs of its sidebar written out in the order of the notebooks."
    y = yaml.safe_load((site/'_quarto.yml').read_text())
    more = yaml.safe_load((root/'nbs/nbdev.yml').read_text())
    def listed(c):
        if isinstance(c, dict): return {k: (listed(v) if k == 'contents' else v) for k, v in c.items()}
        if isinstance(c, list): return [o for l in map(listed, c) for o in (l if isinstance(l, list) else [l])]
        return [names[n] for n in sorted(names) if Path(n).match(c) and ('/' in n) == ('/' in c)] if '*' in c else names.get(c, c)
    y['website']['sidebar'] = listed(y['website']['sidebar'])
    y.pop('metadata-files', None)
    y['format']['html'].pop('html-math-method')      # mathml() does what Quarto does by that key
    w = more['website']
    y['website'] = {k: v for k, v in w.items() if k in ('title', 'description', 'repo-url', 'repo-branch')} | y['website']
    y['project']['output-dir'] = '_site'
    (site/'_quarto.yml').write_text(yaml.safe_dump(y, sort_keys=False))

MATH = re.compile(r'<span class="math (inline|display)">\\[(\[](.*?)\\[)\]]</span>', re.S)
FROM_AFAR = re.compile(r'<(?:link|script)[^>]*katex[^>]*>(?:</script>)?')

def mathml(pages):
    "Formulas as MathML, which browsers draw themselves: no script and no font comes over the network."
    from html import unescape
    from latex2mathml.converter import convert
    for p in pages.rglob('*.html'):
        text = p.read_text()
        if 'class="math' not in text: continue
        text = MATH.sub(lambda m: convert(unescape(m[2]), display='block' if m[1] == 'display' else 'inline'), text)
        p.write_text(FROM_AFAR.sub('', text))

def main():
    proc, cfg = processed()
    site = root/'.cache/site'
    shutil.rmtree(site, ignore_errors=True)
    shutil.copytree(proc, site)
    for p in site.rglob('*'):
        if p.suffix == '.py' or p.name in ('nbdev.yml', 'sidebar.yml'): p.unlink()
    names = renamed(site)
    relink(site, names, cfg)
    configured(site, names)
    from smalldocs.check import check
    from smalldocs.site import build
    build(site, quiet=True)
    mathml(site/'_site')
    bad = check(site)
    shutil.rmtree(root/'_docs', ignore_errors=True)
    shutil.copytree(site/'_site', root/'_docs')
    print(f'{len(names)} pages   ->  _docs/index.html')
    sys.exit(bad)

if __name__ == '__main__': main()
