"`defect start`: from an empty folder to a verdict in a real browser, with the tab and the server closed and opened again."
import json, os, re, shutil, subprocess, sys, time, urllib.error, urllib.request
from pathlib import Path
import pytest
from conftest import refused
from test_report import opened
sync_api = pytest.importorskip('playwright.sync_api'); pytest.importorskip('starlette')

QUICK = dict(size=96, steps=40, export=False)

@pytest.fixture(scope='module')
def browser(): yield from opened()

@pytest.fixture(scope='module')
def drawn(tmp_path_factory):
    from defect_nbdev.data.synth import synth_folder
    d = synth_folder(tmp_path_factory.mktemp('drawn'), 24, 12, size=96)
    return sorted(d.glob('*/good/*.png')), sorted(p for p in d.glob('test/*/*.png') if p.parent.name != 'good')

def visit(browser, url, **kw):
    p = browser.new_page(**{'viewport': dict(width=1280, height=900)} | kw); p.said = []
    p.on('pageerror', lambda e: p.said.append(str(e))); p.on('console', lambda m: p.said.append(m.text) if 'Content Security' in m.text else None)
    p.goto(url); p.wait_for_selector('#train'); return p

def until(p, at, word, seconds=400):
    for _ in range(seconds*10):
        if word in p.inner_text(at): return
        p.wait_for_timeout(100)
    raise AssertionError(f'{word!r} is not in {p.inner_text(at)!r}')

def fits(p): assert p.evaluate('document.documentElement.scrollWidth') <= p.viewport_size['width']

@pytest.mark.parametrize('width', [1280, 360])
def test_from_an_empty_folder_to_a_verdict(browser, drawn, tmp_path, width):
    "By mouse and keys; the tab is closed while it trains, and the server ends and comes back before it is looked at."
    from defect_nbdev.app.start import started
    good, bad = drawn; (tmp_path/'x.png').write_text('no photo'); folder = tmp_path/'project'; size = dict(viewport=dict(width=width, height=800))
    with started(folder, settings=QUICK) as url:
        p = visit(browser, url, **size); assert p.is_disabled('#train'); fits(p)
        p.set_input_files('#files-good', [*map(str, good), str(tmp_path/'x.png')]); until(p, '#said-good', 'x.png is not an image'); until(p, '#n-good', str(len(good)))
        p.set_input_files('#files-anomaly', list(map(str, bad))); until(p, '#n-anomaly', str(len(bad))); p.wait_for_selector('#check-card.done', timeout=460_000); assert p.locator('#thumbs-good img').count() == len(good); fits(p)
        p.focus('#train'); p.keyboard.press('Enter'); until(p, '#train-said', 'Training:'); assert p.is_visible('#train-bar'); assert p.said == []; p.close()
        p = visit(browser, url, **size); until(p, '#train-said', 'Training:'); assert p.is_visible('#cancel'); fits(p); p.close()           # opened again: it goes on
    with started(folder, settings=QUICK) as url:                                                                                        # another server
        p = visit(browser, url, **size); p.wait_for_selector('#look', state='visible', timeout=460_000); assert 'test parts' in p.inner_text('#figures'); fits(p)
        with p.expect_popup() as report: p.click('#look a[href=report]')
        report.value.wait_for_selector('#sum .plate'); report.value.close()
        p.focus('#look a.main'); p.keyboard.press('Enter'); p.wait_for_selector('#drop', timeout=300_000); p.set_input_files('#drop input', str(bad[0]))
        p.wait_for_selector('#verdict b', timeout=60_000); assert re.search('PASS|REVIEW|FAIL', p.inner_text('#verdict b')); fits(p); assert p.said == []; p.close()

def test_cancel_and_too_few(browser, drawn, tmp_path):
    "A training that is cancelled leaves nothing; one that cannot be says why on the page."
    from defect_nbdev.app.start import started
    good, bad = drawn; folder = tmp_path/'project'
    for kind, files in (('good', good), ('anomaly', bad)):
        (folder/'photos'/kind).mkdir(parents=True)
        for f in files: shutil.copy(f, folder/'photos'/kind)
    (folder/'photos.sqlite').touch()
    with started(folder, settings=QUICK) as url:
        p = visit(browser, url); until(p, '#n-good', str(len(good))); p.click('#train'); p.wait_for_selector('#cancel', state='visible'); p.wait_for_timeout(1500); p.click('#cancel'); until(p, '#train-said', 'cancelled', 60)
        assert not (folder/'run').exists() and not list(folder.glob('.run*')); p.close()
    for f in (folder/'photos/good').iterdir():
        if f.name != good[0].name: f.unlink()
    with started(folder, settings=QUICK) as url:
        p = visit(browser, url); until(p, '#n-good', '1'); p.click('#train'); p.wait_for_selector('#train-error', state='visible', timeout=300_000); assert p.inner_text('#train-error').endswith('.') and 'Traceback' not in p.inner_text('#train-error'); p.close()

def test_a_folder_by_its_path_and_duplicates(browser, drawn, tmp_path):
    from defect_nbdev.app.start import started
    good, bad = drawn
    with started(tmp_path/'project') as url:
        p = visit(browser, url); p.click('#good .by-path'); p.fill('#path-good input', str(good[0].parent)); p.keyboard.press('Enter'); n = len(list(good[0].parent.glob('*.png'))); until(p, '#n-good', str(n)); until(p, '#said-good', 'were looked at')
        p.set_input_files('#files-good', str(good[0]) if good[0].parent == good[0].parent else ''); until(p, '#said-good', 'is here already')
        p.set_input_files('#files-anomaly', str(good[0])); until(p, '#said-anomaly', 'cannot be both')
        p.fill('#path-good input', str(tmp_path/'nowhere')); p.keyboard.press('Enter'); until(p, '#message', 'no folder on this machine')
        p.locator('#thumbs-good button').first.focus(); p.keyboard.press('Enter'); until(p, '#n-good', str(n - 1)); assert len(list((tmp_path/'project/removed').iterdir())) == 1
        p.reload(); p.wait_for_selector('#train'); until(p, '#n-good', str(n - 1)); p.close()

def test_whole_folders_are_dropped(browser, drawn, tmp_path):
    "The button for a folder, with what a file manager leaves in it."
    from defect_nbdev.app.start import started
    (tmp_path/'in/deep').mkdir(parents=True); shutil.copy(drawn[0][0], tmp_path/'in/deep/a.png'); shutil.copy(drawn[0][1], tmp_path/'in/a.png')
    for n in '.DS_Store', 'Thumbs.db': (tmp_path/'in'/n).write_text('')
    with started(tmp_path/'project') as url:
        p = visit(browser, url); p.set_input_files('#folder-good', str(tmp_path/'in')); until(p, '#n-good', '2', 60); assert p.inner_text('#said-good') == ''; p.close()
    assert sorted(f.name for f in (tmp_path/'project/photos/good').iterdir()) == ['a-1.png', 'a.png']

def test_what_is_refused(drawn, tmp_path):
    "Other sites, other names, no token, names that climb, photos that are too large."
    from defect_nbdev.app.start import started
    photo = drawn[0][0].read_bytes()
    with started(tmp_path/'project') as url:
        def status(path='', method='GET', data=None, **headers):
            try: return urllib.request.urlopen(urllib.request.Request(url + path, data, headers, method=method), timeout=60).status
            except urllib.error.HTTPError as e: return e.code
        page = urllib.request.urlopen(url); token = {'X-Token': re.search('name="token" content="([^"]+)"', page.read().decode())[1]}
        assert "default-src 'none'" in page.headers['content-security-policy'] and 'unsafe' not in page.headers['content-security-policy']
        assert [status(), status(Origin='http://evil.example'), status(Host='evil.example'), status(Origin='null')] == [200, 403, 403, 403]
        for what in 'check', 'train', 'cancel', 'folder', 'remove', 'inspect/judge', 'inspect/follow': assert status(what, 'POST', b'{}') == 403
        assert status('photos/good?name=a.png', 'PUT', photo) == 403 and status('photos/good?name=a.png', 'PUT', photo, Origin='http://evil.example', **token) == 403
        for name in '..%2F..%2Fescaped.png', '%2Fetc%2Fpasswd', 'a%00b.png', '.hidden.png', 'C%3A%5Cescaped2.png': assert status(f'photos/good?name={name}', 'PUT', photo, **token) == 200
        assert not list(tmp_path.rglob('passwd')) or all((tmp_path/'project/photos/good') in f.parents for f in tmp_path.rglob('passwd'))
        assert [f.parent.name for f in tmp_path.rglob('*escaped*')] in ([], ['good'])
        assert status('photos/bad?name=a.png', 'PUT', photo, **token) == 422 and status('photos/good?name=a.png', 'PUT', b'0'*(50*10**6 + 2), **token) == 413
        for path in 'thumb/good/..%2F..%2Fphotos.sqlite', 'thumb/good/none.png', 'report', 'checked', 'photos.sqlite': assert status(path) == 404
        (tmp_path/'project/run').mkdir(); (tmp_path/'project/run/report.html').write_text('<p>x</p>'); h = urllib.request.urlopen(url + 'report').headers; assert h['content-security-policy'].startswith('sandbox allow-scripts;') and 'allow-same-origin' not in h['content-security-policy']

def test_the_program(defect, tmp_path, drawn):
    "One word is enough; a folder that holds something else is left alone; Ctrl-C ends it with a sentence."
    p = subprocess.Popen([Path(sys.executable).parent/'defect', 'start'], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path, env=os.environ | dict(TMPDIR=str(tmp_path)))
    try: assert urllib.request.urlopen(re.search(r'http://\S+', p.stdout.readline())[0]).status == 200
    finally: p.terminate()
    _, err = p.communicate(timeout=60); assert 'are kept' in err and 'Traceback' not in err and sorted(f.name for f in tmp_path.iterdir()) == ['defect_start']
    refused(defect('start', drawn[0][0].parent), 'left alone'); refused(defect('start', drawn[0][0]), 'is a file')
