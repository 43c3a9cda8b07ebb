import contextlib, io, json, os, shutil, socket, subprocess, sys
from pathlib import Path
import pandas as pd, pytest

ROOT = Path(__file__).parent.parent
os.environ['DEFECT_WEIGHTS'] = str(ROOT/'.cache/no-weights')      # what this machine has is none of the tests' business

@pytest.fixture(scope='session')
def program():
    "Run the installed program `defect` as a process of its own; returns the finished process."
    exe = Path(sys.executable).parent/'defect'
    def run(*args): return subprocess.run([exe, *map(str, args)], capture_output=True, text=True, timeout=600)
    return run

@pytest.fixture(scope='session')
def defect():
    "The same without a new process, which would import torch and fastai each time."
    from defect_nbdev.cli.program import main
    def run(*args):
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try: code = main([str(a) for a in args])
            except SystemExit as e: code = e.code
        return subprocess.CompletedProcess(args, code or 0, out.getvalue(), err.getvalue())
    return run

@pytest.fixture(scope='session')
def washer(tmp_path_factory):
    "A drawn category in MVTec AD's layout."
    from defect_nbdev.data.synth import synth_folder
    return synth_folder(tmp_path_factory.mktemp('data')/'washer', 24, 16, size=128)

@pytest.fixture(scope='session')
def small(tmp_path_factory):
    "The same with half as many photos of half the size, for tests that train but don't look at what is learned."
    from defect_nbdev.data.synth import synth_folder
    return synth_folder(tmp_path_factory.mktemp('data')/'small', 12, 8, size=64)

@pytest.fixture(scope='session')
def run(defect, washer, tmp_path_factory):
    "A trained run on the washers."
    out = tmp_path_factory.mktemp('runs')/'washer'
    r = defect('train', washer, '-o', out, '--method', 'vgg16-gap', '--epochs', 1, '--size', 96, '--no-export')
    assert r.returncode == 0, r.stderr
    return out

CHROMIUM = next(filter(None, map(shutil.which, ('chromium', 'chromium-browser', 'google-chrome', 'chrome'))), None)
FLAGS = '--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync'.split()

def opened(flags=()):
    "A browser. Only a person's own machine may be without one."
    if not CHROMIUM: (pytest.fail if os.environ.get('CI') else pytest.skip)('no Chromium on this machine')
    from playwright.sync_api import sync_playwright
    with sync_playwright() as p:
        b = p.chromium.launch(executable_path=CHROMIUM, args=[*FLAGS, *flags])
        yield b
        b.close()

@pytest.fixture(scope='module')
def browser(): yield from opened()

@pytest.fixture
def new_tab(browser):
    "Open a page at 1280 x 900; `said` keeps what it says on the console, `asked` what it fetches."
    made = []
    def visit(url, ready, **kw):
        p = browser.new_page(**{'viewport': dict(width=1280, height=900)} | kw)
        made.append(p)
        p.asked, p.said = [], []
        p.on('request', lambda r: p.asked.append(r.url))
        p.on('pageerror', lambda e: p.said.append(str(e)))
        p.on('console', lambda m: p.said.append(m.text))
        p.goto(url)
        p.wait_for_selector(ready)
        return p
    yield visit
    for p in made: p.close()

def refused(r, *words):
    "The program said one clear sentence, beside how it read the photos, and exited with 2."
    assert r.returncode == 2, (r.returncode, r.stdout, r.stderr)
    lines = [l for l in r.stderr.splitlines() if l.strip() and not l.startswith(('good = ', 'layout: ', 'passed over: ', 'pixels: '))]
    assert len(lines) == 1 and lines[0].startswith('defect: '), r.stderr
    for w in words: assert w in lines[0], (w, lines[0])

def same_answers(a, b):
    "Rows in the same order with the same verdicts and boxes; batches of another size may change the last digits of a probability."
    one, two = [pd.read_csv(f/'predictions.csv') for f in (a, b)]
    pd.testing.assert_frame_equal(one, two, rtol=1e-3, atol=1e-4)
    one, two = [json.loads((f/'coco.json').read_text()) for f in (a, b)]
    assert one['images'] == two['images']
    assert [o['bbox'] for o in one['annotations']] == [o['bbox'] for o in two['annotations']]

def quiet_port():
    "A port that no other test takes while its program is down: the pages begin at 7860, the system gives higher ones."
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]
