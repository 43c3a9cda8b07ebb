"The page for the shop floor, opened in a real browser."
import os, re, shutil, subprocess, sys
from pathlib import Path
import pandas as pd, pytest
from conftest import opened, refused
from test_report import zoom
sync_api = pytest.importorskip('playwright.sync_api')
pytest.importorskip('starlette')

CAMERA = ['--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream']

@pytest.fixture(scope='module')
def address(run, tmp_path_factory):
    from defect_nbdev.app.serve import served
    store = tmp_path_factory.mktemp('store')/'feedback.sqlite'
    with served(run, store=store, files=8, mb=1) as url: yield url, store

@pytest.fixture(scope='module')
def browser(): yield from opened(CAMERA)

@pytest.fixture
def page(browser, address):
    made = []
    def visit(**kw):
        p = browser.new_page(**{'viewport': dict(width=1280, height=1000)} | kw)
        made.append(p)
        p.asked, p.said = [], []
        p.on('request', lambda r: p.asked.append(r.url))
        p.on('pageerror', lambda e: p.said.append(str(e)))
        p.on('console', lambda m: p.said.append(m.text) if 'Content Security' in m.text else None)
        p.goto(address[0])
        p.wait_for_selector('#drop')
        return p
    yield visit
    for p in made:
        assert p.said == [], p.said
        p.close()

def text(p, at): return p.inner_text(at)

def until(p, at, word, seconds=60):
    "The page forbids eval, so Playwright cannot wait for a function in it."
    for _ in range(seconds*20):
        if word in text(p, at): return
        p.wait_for_timeout(50)
    raise AssertionError(f'{word!r} is not in {text(p, at)!r}')

def drop(p, files):
    there = p.locator('#strip button').count()
    p.set_input_files('#drop input[type=file]', [str(f) for f in files])
    p.locator('#strip button').nth(there + len(files) - 1).wait_for(timeout=60_000)

def slide(p, which, value):
    "By keyboard into the number beside the slider."
    n = p.locator(f'#{which} input[type=number]')
    n.fill(str(value))
    n.press('Enter')
    n.blur()

def test_photos_sliders_table(page, washer, address):
    p = page()
    files = sorted((washer/'test').rglob('*.png'))[:3]
    drop(p, files)
    assert re.search(r'PASS|FAIL', text(p, '#verdict')) and files[0].name in text(p, '#verdict')
    slide(p, 'fail', 0)
    slide(p, 'review', 0)
    until(p, '#verdict', 'FAIL')
    until(p, '#count', '3 FAIL')
    slide(p, 'fail', 1)
    slide(p, 'review', 1)
    until(p, '#verdict', 'PASS')
    until(p, '#count', '3 PASS')
    p.click('#next')
    until(p, '#verdict', files[1].name)
    p.click('#back')
    until(p, '#verdict', files[0].name)
    p.locator('#wanted label', has_text='PASS').click()
    assert 'PASS' not in text(p, '#table')
    slide(p, 'fail', '')
    until(p, '#count', 'FAIL') if 'FAIL' in text(p, '#verdict') else None
    assert p.input_value('#fail-number') == '0.5'
    assert all(u.startswith((address[0], 'data:', 'blob:')) for u in p.asked), [u for u in p.asked if not u.startswith(address[0])]

def test_keys(page, washer):
    "Space and arrows go from part to part, + - 0 zoom; none of them while somebody writes."
    p = page()
    files = sorted((washer/'test').rglob('*.png'))[:3]
    drop(p, files)
    until(p, '#where', '1 of 3')
    p.evaluate('document.activeElement.blur()')
    for key, at in ((' ', 2), ('ArrowRight', 3), ('ArrowRight', 1), ('ArrowLeft', 3)):
        p.keyboard.press(key)
        until(p, '#where', f'{at} of 3')
    p.keyboard.press('+')
    p.keyboard.press('+')
    assert 2 < zoom(p) < 3
    p.keyboard.press('-')
    p.keyboard.press('0')
    assert zoom(p) == 1
    p.keyboard.press('h')
    assert p.get_attribute('.tools .heat', 'aria-pressed') == 'false'
    p.keyboard.press('H')
    p.keyboard.press('l')
    assert not p.is_visible('#sources')
    p.keyboard.press('l')
    p.click('#say-wrong')
    p.focus('#note')
    p.keyboard.type('0 h+ l')
    assert p.input_value('#note') == '0 h+ l' and p.is_visible('#sources') and '3 of 3' in text(p, '#where')
    p.locator('#fail input[type=range]').focus()
    p.keyboard.press('ArrowLeft')
    assert p.input_value('#fail-number') == '0.499' and '3 of 3' in text(p, '#where')

def test_boxes_tell_their_score_and_fingers_pinch(page, washer):
    p = page(has_touch=True)
    drop(p, sorted((washer/'test/spot').glob('*.png'))[:1])
    slide(p, 'fail', 0)
    until(p, '#verdict', 'FAIL')
    p.wait_for_timeout(200)
    box = p.locator('#view g').first.locator('rect').last.bounding_box()
    p.touchscreen.tap(box['x'] + box['width']/2, box['y'] + box['height']/2)
    assert re.match(r'box \d+: 0\.\d\d', text(p, '#view .score'))
    v = p.locator('#view').bounding_box()
    x, y = v['x'] + v['width']/2, v['y'] + v['height']/2
    cdp = p.context.new_cdp_session(p)
    for kind, d in (('touchStart', 20), ('touchMove', 60), ('touchMove', 100)): cdp.send('Input.dispatchTouchEvent', dict(type=kind, touchPoints=[dict(x=x - d, y=y, id=0), dict(x=x + d, y=y, id=1)]))
    cdp.send('Input.dispatchTouchEvent', dict(type='touchEnd', touchPoints=[]))
    assert zoom(p) > 2

def test_verdict_is_large_and_the_part_too(page, washer):
    p = page()
    drop(p, sorted((washer/'test').rglob('*.png'))[:1])
    assert p.evaluate("parseFloat(getComputedStyle(document.querySelector('#verdict b')).fontSize)") >= 100      # 16 mm of capital letter on 96 dots an inch
    v = p.locator('#view').bounding_box()
    assert v['width'] > 800 and v['height'] > 500

def test_why_stands_below_a_part_that_does_not_pass(page, washer):
    p = page()
    drop(p, sorted((washer/'test/spot').glob('*.png'))[:1])
    slide(p, 'fail', 0)
    until(p, '#verdict', 'FAIL')
    p.wait_for_selector('#why img', timeout=30_000)
    until(p, '#why', 'most similar')
    assert p.get_attribute('#why img', 'src').startswith('data:image/jpeg') and 'good parts' in text(p, '#why')
    slide(p, 'review', 1)
    slide(p, 'fail', 1)
    until(p, '#verdict', 'PASS')
    p.wait_for_selector('#why', state='hidden')

def test_files_and_corrections(page, washer, address, tmp_path):
    p = page()
    f = sorted((washer/'test/good').glob('*.png'))[0]
    drop(p, [f])
    slide(p, 'fail', 0)
    until(p, '#verdict', 'FAIL')
    p.click('#make')
    p.wait_for_selector('#files a[download]', timeout=30_000)
    with p.expect_download() as d: p.locator('#files a').first.click()
    d.value.save_as(tmp_path/'got.csv')
    t = pd.read_csv(tmp_path/'got.csv')
    assert t.verdict.tolist() == ['FAIL'] and t.path[0] == f.name
    p.click('#wrong button')
    p.locator('#should label', has_text='good').click()
    p.click('#keep')
    until(p, '#message', 'is kept')
    from defect_nbdev.data.feedback import read_feedback
    r = read_feedback(address[1]).iloc[-1]
    assert (r.label, r.verdict) == ('good', 'FAIL') and Path(r.path).read_bytes() == f.read_bytes()

def test_errors_are_said(page, washer, tmp_path):
    p = page()
    (tmp_path/'x.png').write_text('no photo')
    drop(p, [tmp_path/'x.png'])
    assert 'is not an image' in text(p, '#verdict') and '/' not in text(p, '#verdict')
    many = sorted((washer/'train').rglob('*.png'))[:9]
    p.set_input_files('#drop input[type=file]', [str(f) for f in many])
    until(p, '#message', 'too many')
    (tmp_path/'big.png').write_bytes(b'0'*2*10**6)
    p.set_input_files('#drop input[type=file]', str(tmp_path/'big.png'))
    until(p, '#message', 'larger than 1 MB')

def test_narrow_and_dark(page, washer):
    p = page(viewport=dict(width=360, height=740), color_scheme='dark')
    drop(p, sorted((washer/'test').rglob('*.png'))[:1])
    assert p.evaluate('document.documentElement.scrollWidth') <= 360 and p.evaluate("getComputedStyle(document.body).backgroundColor") != 'rgb(255, 255, 255)'

def test_by_keyboard(page, washer):
    p = page()
    drop(p, sorted((washer/'test').rglob('*.png'))[:2])
    seen = set()
    for _ in range(60):
        p.keyboard.press('Tab')
        seen.add(p.evaluate("document.activeElement.id || document.activeElement.closest('[id]')?.id || ''"))
    assert {'next', 'make', 'drop', 'view', 'tab-camera'} <= seen, seen

def test_refused(defect, run):
    refused(defect('app', run, '--host', '0.0.0.0'), '--auth')
    refused(defect('app', run, '--auth', 'me'), 'user:password')
    refused(defect('app', 'nowhere'), 'no model bundle')
    refused(defect('app', run, '--port', '70000'), 'between 1 and 65535')
    refused(defect('app', run, '--port', '80x'), '80x is not a whole number')

def test_other_sites_are_refused(address):
    import urllib.error, urllib.request
    def status(path='', method='GET', **headers):
        try: return urllib.request.urlopen(urllib.request.Request(address[0] + path, b'{}' if method != 'GET' else None, headers, method=method), timeout=20).status
        except urllib.error.HTTPError as e: return e.code
    assert [status(), status(Origin='http://evil.example'), status(Origin='null'), status(Host='evil.example'), status('photo/guess')] == [200, 403, 403, 403, 404]
    for what in 'judge', 'files', 'correct', 'forget', 'follow', 'unfollow', 'example/0': assert status(what, 'POST') == 403      # no token
    assert status('photos?name=a.png', 'PUT') == 403
    h = urllib.request.urlopen(address[0]).headers
    assert "default-src 'none'" in h['content-security-policy'] and 'unsafe' not in h['content-security-policy'] and h['x-content-type-options'] == 'nosniff' and 'server' not in h

def test_example_row_and_wrong_photo(page, washer, tmp_path):
    p = page()
    p.click('#examples button')
    p.wait_for_selector('#verdict b', timeout=60_000)
    one = text(p, '#verdict')
    (tmp_path/'x.png').write_text('no photo')
    files = sorted((washer/'test').rglob('*.png'))[:2]
    drop(p, [*files, tmp_path/'x.png'])
    until(p, '#count', '1 ERROR')
    assert text(p, '#verdict') != one
    p.locator('#table td', has_text='x.png').first.click()
    until(p, '#verdict', 'ERROR')
    p.click('#wrong button')
    p.locator('#should label', has_text='good').click()
    p.click('#keep')
    until(p, '#message', 'teaches nothing')

def test_camera(page):
    "Chromium draws a moving picture where a camera would be."
    p = page()
    p.click('#tab-camera')
    p.click('#start')
    p.wait_for_selector('#video', state='visible')
    p.wait_for_timeout(500)
    p.evaluate('document.activeElement.blur()')
    p.keyboard.press(' ')
    p.wait_for_selector('#verdict b', timeout=60_000)
    assert re.search('PASS|FAIL|REVIEW', text(p, '#verdict')) and 'camera' in text(p, '#where')
    p.click('#start')
    assert not p.is_visible('#video')

def test_a_folder_is_followed_and_parts_of_today_are_counted(page, washer, tmp_path):
    p = page()
    total = lambda: sum(int(text(p, f'#n-{l}')) for l in ('PASS', 'REVIEW', 'FAIL'))
    p.wait_for_timeout(1200)
    before = total()
    p.click('#tab-folder')
    p.fill('#inbox', str(tmp_path))
    p.click('#follow')
    until(p, '#following', 'Following')
    for i, f in enumerate(sorted((washer/'test').rglob('*.png'))[:2]): shutil.copy(f, tmp_path/f'{i}.png')
    until(p, '#following', '2 photos')
    until(p, '#where', 'of 2')
    assert total() == before + 2 and (tmp_path/'0.png').is_file()
    p.reload()      # the tab was closed meanwhile
    p.wait_for_selector('#strip button')
    until(p, '#where', 'of 2')
    p.click('#tab-folder')
    assert p.input_value('#inbox') == str(tmp_path)
    p.click('#follow')
    until(p, '#follow', 'Follow it')
    p.fill('#inbox', str(tmp_path/'nowhere'))
    p.click('#follow')
    until(p, '#message', 'is no folder')

def test_two_people_see_their_own(page, washer):
    a, b = page(), page()
    f = sorted((washer/'test').rglob('*.png'))
    drop(a, f[:1])
    drop(b, f[1:2])
    assert f[0].name in text(a, '#table') and f[1].name not in text(a, '#table') and f[0].name not in text(b, '#table')

def test_password_and_end(run, browser, tmp_path):
    "The program itself: a password is asked for, and a stopped service leaves nothing behind."
    p = subprocess.Popen([Path(sys.executable).parent/'defect', 'app', run, '--auth', 'ann:correct-horse'], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ | dict(TMPDIR=str(tmp_path)))
    try:
        url = re.search(r'http://\S+', p.stdout.readline())[0]
        g = browser.new_page()
        g.goto(url)
        g.wait_for_selector('input[type=password]')
        assert g.query_selector('#drop') is None
        for word in 'wrong-horse', 'correct-horse':
            g.fill('input:not([type=password])', 'ann')
            g.fill('input[type=password]', word)
            g.keyboard.press('Enter')
            g.wait_for_selector('#drop' if word[0] == 'c' else 'text=do not fit', timeout=30_000)
        assert not g.is_visible('#tab-folder')      # who comes by a password names no folders of this machine
        g.close()
        assert list(tmp_path.glob('defect-app-*'))
    finally: p.terminate()
    _, err = p.communicate(timeout=60)
    assert 'uploads are removed' in err and 'Traceback' not in err and not list(tmp_path.glob('defect-app-*'))
