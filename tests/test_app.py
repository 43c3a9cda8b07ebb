"The page for the shop floor, opened in a real browser."
import os, re, subprocess, sys
from pathlib import Path
import pandas as pd, pytest
from conftest import refused
from test_report import opened
sync_api = pytest.importorskip('playwright.sync_api'); pytest.importorskip('gradio')

CAMERA = ['--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream']

@pytest.fixture(scope='module')
def address(run, tmp_path_factory):
    from defect_nbdev.app.serve import served
    store = tmp_path_factory.mktemp('store')/'feedback.sqlite'
    with served(run, store=store, files=8, mb=1) as url: yield url, store

@pytest.fixture(scope='module')
def browser():
    yield from opened(CAMERA)

@pytest.fixture
def page(browser, address):
    made = []
    def visit(**kw):
        p = browser.new_page(**{'viewport': dict(width=1280, height=1000)} | kw); made.append(p); p.asked, p.said = [], []
        p.on('request', lambda r: p.asked.append(r.url)); p.on('pageerror', lambda e: p.said.append(str(e)))
        p.goto(address[0]); p.wait_for_selector('#drop'); return p
    yield visit
    for p in made: assert not p.query_selector('.toast-body.error'), p.inner_text('.toast-wrap'); p.close()

def drop(p, files): p.set_input_files('#drop input[type=file]', [str(f) for f in files]); p.wait_for_selector('#verdict .verdict', timeout=60_000)
def text(p, at): return p.inner_text(at)
def slide(p, which, value):
    "By keyboard into the number beside the slider."
    n = p.locator(f'#{which} input[type=number]'); n.fill(str(value)); n.press('Enter'); n.blur()
def until(p, at, word): p.wait_for_function('([a, w]) => document.querySelector(a)?.innerText.includes(w)', arg=[at, word], timeout=30_000)

def test_photos_sliders_table(page, washer):
    p = page(); files = sorted((washer/'test').rglob('*.png'))[:3]; drop(p, files)
    assert re.search(r'PASS|FAIL', text(p, '#verdict')) and files[0].name in text(p, '#verdict')
    slide(p, 'fail', 0); slide(p, 'review', 0); until(p, '#verdict', 'FAIL'); until(p, '#count', '3 FAIL')
    slide(p, 'fail', 1); slide(p, 'review', 1); until(p, '#verdict', 'PASS'); until(p, '#count', '3 PASS')
    p.click('#next'); until(p, '#verdict', files[1].name); p.click('#back'); until(p, '#verdict', files[0].name)
    p.locator('#wanted label', has_text='PASS').click(); p.wait_for_function("() => !document.querySelector('#table').innerText.includes('PASS')")
    assert p.said == [] and all(u.startswith((address_of(p), 'data:', 'blob:')) for u in p.asked), [u for u in p.asked if not u.startswith(address_of(p))]

def address_of(p): return re.match(r'https?://[^/]+', p.url)[0]

def test_files_and_corrections(page, washer, address, tmp_path):
    p = page(); f = sorted((washer/'test/good').glob('*.png'))[0]; drop(p, [f]); slide(p, 'fail', 0); until(p, '#verdict', 'FAIL')
    p.click('#make'); p.wait_for_selector('#files a[download], #files a[href]', timeout=30_000)
    with p.expect_download() as d: p.locator('#files a').first.click()
    d.value.save_as(tmp_path/'got.csv'); t = pd.read_csv(tmp_path/'got.csv'); assert t.verdict.tolist() == ['FAIL'] and t.path[0] == f.name
    p.click('#wrong button'); p.locator('#should label', has_text='good').click(); p.click('#keep'); until(p, '#message', 'is kept')
    from defect_nbdev.data.feedback import read_feedback
    r = read_feedback(address[1]).iloc[-1]; assert (r.label, r.verdict) == ('good', 'FAIL') and Path(r.path).read_bytes() == f.read_bytes()

def test_errors_are_said(page, washer, tmp_path):
    p = page(); (tmp_path/'x.png').write_text('no photo'); drop(p, [tmp_path/'x.png']); assert 'is not an image' in text(p, '#verdict') and '/' not in text(p, '#verdict')
    many = sorted((washer/'train').rglob('*.png'))[:9]; p.reload(); p.wait_for_selector('#drop'); p.set_input_files('#drop input[type=file]', [str(f) for f in many]); until(p, '#message', 'too many')
    (tmp_path/'big.png').write_bytes(b'0'*2*10**6); p.reload(); p.wait_for_selector('#drop'); p.set_input_files('#drop input[type=file]', str(tmp_path/'big.png')); p.wait_for_function("() => /exceed|too large|larger|maximum/i.test(document.body.innerText)", timeout=20_000); [t.evaluate('e => e.remove()') for t in p.query_selector_all('.toast-body')]      # Gradio itself says this

def test_narrow_and_dark(page, washer):
    p = page(viewport=dict(width=360, height=740), color_scheme='dark'); drop(p, sorted((washer/'test').rglob('*.png'))[:1])
    assert p.evaluate('document.documentElement.scrollWidth') <= 362 and p.evaluate("getComputedStyle(document.body).backgroundColor") != 'rgb(255, 255, 255)'

def test_by_keyboard(page, washer):
    p = page(); drop(p, sorted((washer/'test').rglob('*.png'))[:2]); seen = set()
    for _ in range(60): p.keyboard.press('Tab'); seen.add(p.evaluate("document.activeElement.closest('[id]:not([id^=component])')?.id || ''"))
    assert {'next', 'make'} <= seen, seen

def test_refused(defect, run):
    refused(defect('app', run, '--host', '0.0.0.0'), '--auth'); refused(defect('app', run, '--auth', 'me'), 'user:password'); refused(defect('app', 'nowhere'), 'no model bundle'); refused(defect('app', run, '--port', '70000'), 'between 1 and 65535'); refused(defect('app', run, '--port', '80x'), '80x is not a whole number')

def test_other_sites_are_refused(address):
    import urllib.error, urllib.request
    def status(path='', **headers):
        try: return urllib.request.urlopen(urllib.request.Request(address[0] + path, headers=headers), timeout=20).status
        except urllib.error.HTTPError as e: return e.code
    assert [status(), status(Origin='http://evil.example'), status(Host='evil.example'), status('gradio_api/file=https://evil.example/x')] == [200, 403, 403, 403]

def test_example_row_and_wrong_photo(page, washer, tmp_path):
    p = page(); p.click('#examples button'); p.wait_for_selector('#verdict .verdict', timeout=60_000); one = text(p, '#verdict')
    (tmp_path/'x.png').write_text('no photo'); files = sorted((washer/'test').rglob('*.png'))[:2]; p.set_input_files('#drop input[type=file]', [*map(str, files), str(tmp_path/'x.png')]); until(p, '#count', '1 ERROR'); assert text(p, '#verdict') != one
    p.locator('#table [role=gridcell]', has_text='x.png').first.click(); until(p, '#verdict', 'ERROR'); p.click('#wrong button'); p.locator('#should label', has_text='good').click(); p.click('#keep'); until(p, '#message', 'teaches nothing')

def test_camera(page):
    "Chromium draws a moving picture where a camera would be."
    p = page(); p.click('button:has-text("Camera")'); p.click('#camera button:has-text("Click to Access Webcam")'); p.wait_for_selector('#camera video', state='visible'); p.wait_for_timeout(1000)
    p.click('#camera button[aria-label="capture photo"]'); p.wait_for_selector('#verdict .verdict', timeout=60_000); assert re.search('PASS|FAIL|REVIEW', text(p, '#verdict'))

def test_two_people_see_their_own(page, washer):
    a, b = page(), page(); f = sorted((washer/'test').rglob('*.png')); drop(a, f[:1]); drop(b, f[1:2]); assert f[0].name in text(a, '#table') and f[1].name not in text(a, '#table') and f[0].name not in text(b, '#table')

def test_password_and_end(run, browser, tmp_path):
    "The program itself: a password is asked for, and a stopped service leaves nothing behind."
    p = subprocess.Popen([Path(sys.executable).parent/'defect', 'app', run, '--auth', 'ann:correct-horse'], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ | dict(TMPDIR=str(tmp_path)))
    try:
        url = re.search(r'http://\S+', p.stdout.readline())[0]; g = browser.new_page(); g.goto(url); g.wait_for_selector('input[type=password]'); assert g.query_selector('#drop') is None
        g.fill('input:not([type=password])', 'ann'); g.fill('input[type=password]', 'correct-horse'); g.keyboard.press('Enter'); g.wait_for_selector('#drop', timeout=30_000); g.close(); assert list(tmp_path.glob('defect-app-*'))
    finally: p.terminate()
    _, err = p.communicate(timeout=60); assert 'uploads are removed' in err and 'Traceback' not in err and not list(tmp_path.glob('defect-app-*'))
