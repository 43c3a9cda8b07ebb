"What a reader of the repository relies on."
import ast, importlib, inspect, json, re, subprocess, sys
from pathlib import Path
import pytest
from conftest import ROOT
from fastcore.docments import docments

NBS = sorted(p for p in (ROOT/'nbs').rglob('*.ipynb') if '.ipynb_checkpoints' not in p.parts)
PACKAGE = ROOT/'defect_nbdev'
MODULES = sorted(p for p in PACKAGE.rglob('*.py') if not p.name.startswith('_'))

def dotted(py): return '.'.join(py.relative_to(PACKAGE).with_suffix('').parts)

@pytest.mark.parametrize('nb', NBS, ids=lambda p: p.stem)
def test_notebook_is_tidy(nb):
    assert nb.stat().st_size < 1_000_000
    cells = json.loads(nb.read_text())['cells']
    assert all(c.get('id') for c in cells) and len({c['id'] for c in cells}) == len(cells)
    out = json.dumps([c.get('outputs', []) for c in cells])
    for bad in ('/home/', '/root/', '/work/', '/Users/', '/tmp/', 'site-packages', 'Warning', 'Traceback'): assert bad not in out, bad

def test_program_starts_without_torch():
    code = "import sys, defect_nbdev.cli.program; heavy = {'torch', 'fastai', 'pandas', 'matplotlib', 'numpy'} & set(sys.modules); sys.exit(str(heavy) if heavy else 0)"
    r = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    assert r.returncode == 0, r.stderr

@pytest.mark.parametrize('py', MODULES, ids=dotted)
def test_public_names_are_documented(py):
    for n in ast.parse(py.read_text()).body:
        if isinstance(n, (ast.FunctionDef, ast.ClassDef)) and not n.name.startswith('_'): assert ast.get_docstring(n), n.name

@pytest.mark.parametrize('py', MODULES, ids=dotted)
def test_parameters_are_documented(py):
    "Each parameter of a public name has its comment; where a method's own are handed on, **kwargs says to whom."
    m = importlib.import_module(f'defect_nbdev.{dotted(py)}')
    own = [o for o in (getattr(m, n) for n in getattr(m, '__all__', [])) if inspect.isroutine(o) or inspect.isclass(o)]
    for o in own:
        f = o.__init__ if inspect.isclass(o) else o
        if getattr(o, '__module__', '') != m.__name__ or not inspect.isfunction(inspect.unwrap(f)) or inspect.unwrap(f).__qualname__ not in (o.__name__, f'{o.__name__}.__init__') or f.__code__.co_filename.startswith('<'): continue       # a dataclass writes its own
        kinds = inspect.signature(f).parameters
        said = docments(f, full=True)
        for n, p in kinds.items():
            if n != 'self' and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD): assert said[n]['docment'], f'{o.__name__}({n})'

WINGS = 'core <- data <- models <- explain <- metrics <- train <- deploy <- { batch, report, study } <- runs <- app <- cli <- all'

def test_imports_point_left():
    "A wing imports wings to its left, or an earlier module of its own; wings in one pair of braces do not import each other."
    floor = {w: i for i, ws in enumerate(WINGS.split(' <- ')) for w in re.findall(r'\w+', ws)}
    place = {}
    for nb in (ROOT/'nbs').rglob('*.ipynb'):
        name, wing = re.sub(r'^\d+_', '', nb.stem), nb.parent.name
        if wing in floor: place[f'{wing}.{name}'] = floor[wing], nb.stem
        elif name in floor: place[name] = floor[name], ''
    for p in MODULES:
        me = dotted(p)
        wing = me.split('.')[0]
        for dots, there in re.findall(r'^\s*from (\.+|defect_nbdev\.)(\w[\w.]*) import', p.read_text(), re.M):     # inside functions too
            it = f'{wing}.{there}' if dots == '.' and me != wing else there
            earlier = it.startswith(f'{wing}.') and place[it] < place[me]
            assert place[it][0] < place[me][0] or earlier, f'{me} imports {it}'

def test_readme_is_the_index():
    r = subprocess.run([sys.executable, ROOT/'.ci/make_readme.py', '--check'], capture_output=True, text=True)
    assert r.returncode == 0, r.stdout + r.stderr

def test_changelog_knows_the_version():
    from defect_nbdev import __version__
    assert f'## {__version__}' in (ROOT/'CHANGELOG.md').read_text()
    assert re.search(r'^version = (.*)$', (ROOT/'settings.ini').read_text(), re.M)[1] == __version__

def test_a_prediction_imports_little():
    "What trains, draws or measures takes seconds to import; a prediction waits for none of it."
    code = "import sys, defect_nbdev.cli.program, defect_nbdev.batch.job, defect_nbdev.deploy.inspector; print(*sorted({'torchvision', 'timm', 'fastai', 'matplotlib', 'pandas', 'sklearn', 'scipy.stats', 'scipy.optimize', 'shap', 'cv2', 'onnxruntime', 'openvino', 'ray', 'gradio', 'fsspec.implementations.http'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True).stdout.strip() == ''

EXPLAINED = {('rival_jobs', 'B404'): 'each rival runs in a process of its own', ('rival_jobs', 'B603'): 'likewise; a fixed list of words, no shell', ('voc_cvat', 'B405'): 'what defines names of its own is refused before it is parsed', ('voc_cvat', 'B314'): 'likewise', ('rejudge', 'B106'): 'a sentence, likewise', ('training', 'B404'): 'it starts itself anew', ('design', 'B105'): 'a colour, likewise', ('design', 'B106'): 'likewise', ('serve', 'B107'): 'an empty token means that there is none', ('training', 'B603'): 'to train in a process of its own; a fixed list of words, no shell', ('program_speed', 'B404'): 'it starts itself anew', ('program_speed', 'B603'): 'to measure memory and start; a fixed list of words, no shell', ('overlay', 'B106'): 'a colour, taken for a password because its name is PASS'}

def test_no_pickle_and_no_shell():
    "Bandit finds what runs code out of data; each exception stands in the list with its reason."
    r = subprocess.run([sys.executable, '-m', 'bandit', '-q', '-r', ROOT/'defect_nbdev', '-f', 'json'], capture_output=True, text=True)
    found = {(Path(i['filename']).stem, i['test_id']) for i in json.loads(r.stdout)['results']}
    assert found <= set(EXPLAINED), found - set(EXPLAINED)
    code = '\n'.join(p.read_text() for p in MODULES).replace('.eval()', '').replace('.exec(', '')
    code = code.replace("torch.load(path, weights_only=True, map_location='cpu')", '')      # tensors only; import_weights shows that code in the file is not run
    assert not re.search(r'\b(pickle|torch\.load|load_learner|allow_pickle=True|eval\(|exec\()', code)

NAMED = re.compile(r'(?<![\w/.:*-])((?:nbs|tests|weights|benchmarks|defect_nbdev|\.ci|\.github)/[\w./-]*\w|[\w-]+\.(?:md|toml|ini|txt))')

@pytest.mark.parametrize('file', ['SECURITY.md', 'CONTRIBUTING.md', 'README.md', 'CHANGELOG.md'])
def test_files_that_are_named_exist(file):
    "A promise whose test is named by an old name is not kept."
    text = re.sub(r'https?://[^\s)>]*', '', (ROOT/file).read_text())
    if file == 'CHANGELOG.md': text = text.split('\n## ')[1]          # older versions had older names
    text = re.sub(r'^(?: {4}|defect ).*$', '', text, flags=re.M)      # commands with names of the reader
    gone = {n for n in NAMED.findall(text) if not (ROOT/n).exists()}
    assert not gone, gone

def test_each_promise_has_its_test():
    rows = re.findall(r'^\| (?!promise|---)(.+?) \| (.+?) \|$', (ROOT/'SECURITY.md').read_text(), re.M)
    assert len(rows) >= 5
    for promise, tests in rows: assert re.search(r'`(tests/\w+\.py|nbs/[\w/]+\.ipynb)`', tests), promise
