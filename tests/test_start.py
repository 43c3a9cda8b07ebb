"`defect start`: from an empty folder to a verdict in a real browser, with the tab and the server closed and opened again."
import json, os, re, shutil, subprocess, sys, urllib.error, urllib.request
from pathlib import Path
import pytest
from conftest import refused
sync_api = pytest.importorskip('playwright.sync_api')
pytest.importorskip('starlette')

QUICK = dict(size=96, steps=40, export=False)

@pytest.fixture(scope='module')
def drawn(tmp_path_factory):
    from defect_nbdev.data.synth import synth_folder
    d = synth_folder(tmp_path_factory.mktemp('drawn'), 24, 12, size=96)
    return sorted(d.glob('*/good/*.png')), sorted(p for p in d.glob('test/*/*.png') if p.parent.name != 'good')

def visit(browser, url, **kw):
    p = browser.new_page(**{'viewport': dict(width=1280, height=900)} | kw)
    p.said = []
    p.on('pageerror', lambda e: p.said.append(str(e)))
    p.on('console', lambda m: p.said.append(m.text) if 'Content Security' in m.text else None)
    p.goto(url)
    p.wait_for_selector('#train')
    return p

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
    from defect_nbdev.app.training import RUN
    from defect_nbdev.deploy.info import load_info
    good, bad = drawn
    (tmp_path/'x.png').write_text('no photo')
    folder = tmp_path/'project'
    size = dict(viewport=dict(width=width, height=800))
    with started(folder, settings=QUICK) as url:
        p = visit(browser, url, **size)
        assert p.is_disabled('#train')
        fits(p)
        p.set_input_files('#files-good', [*map(str, good), str(tmp_path/'x.png')])
        until(p, '#said-good', 'x.png is not an image')
        until(p, '#n-good', str(len(good)))
        p.set_input_files('#files-anomaly', list(map(str, bad)))
        until(p, '#n-anomaly', str(len(bad)))
        p.wait_for_selector('#check-card.done', timeout=460_000)
        assert p.locator('#thumbs-good img').count() == len(good)
        fits(p)
        if width == 360: p.check('#touched')
        p.focus('#train')
        p.keyboard.press('Enter')
        until(p, '#train-said', 'Training:')      # opened again: it goes on
        assert p.is_disabled('#touched')
        assert p.is_visible('#train-bar')
        assert p.said == []
        p.close()
        p = visit(browser, url, **size)
        until(p, '#train-said', 'Training:')
        assert p.is_visible('#cancel')
        fits(p)
        p.close()
    with started(folder, settings=QUICK) as url:                                                                                        # another server
        p = visit(browser, url, **size)
        p.wait_for_selector('#look', state='visible', timeout=460_000)
        assert 'test parts' in p.inner_text('#figures')
        assert p.is_checked('#touched') == (width == 360)
        assert (load_info(folder/RUN)['recipe']['touched'] > 0) == (width == 360)
        fits(p)
        with p.expect_popup() as report: p.click('#look a[href=report]')
        report.value.wait_for_selector('#sum .plate')
        report.value.close()
        p.focus('#look a.main')
        p.keyboard.press('Enter')
        p.wait_for_selector('#drop', timeout=300_000)
        p.set_input_files('#drop input', str(bad[0]))
        p.wait_for_selector('#verdict b', timeout=60_000)
        assert re.search('PASS|REVIEW|FAIL', p.inner_text('#verdict b'))
        fits(p)
        assert p.said == []
        p.close()

def test_cancel_and_too_few(browser, drawn, tmp_path):
    "A training that is cancelled leaves nothing; one that cannot be says why on the page."
    from defect_nbdev.app.start import started
    good, bad = drawn
    folder = tmp_path/'project'
    for kind, files in (('good', good), ('anomaly', bad)):
        (folder/'photos'/kind).mkdir(parents=True)
        for f in files: shutil.copy(f, folder/'photos'/kind)
    (folder/'photos.sqlite').touch()
    with started(folder, settings=QUICK) as url:
        p = visit(browser, url)
        until(p, '#n-good', str(len(good)))
        p.click('#train')
        p.wait_for_selector('#cancel', state='visible')
        p.wait_for_timeout(1500)
        p.click('#cancel')
        until(p, '#train-said', 'cancelled', 60)
        assert not (folder/'run').exists() and not list(folder.glob('.run*'))
        p.close()
    for f in (folder/'photos/good').iterdir():
        if f.name != good[0].name: f.unlink()
    with started(folder, settings=QUICK) as url:
        p = visit(browser, url)
        until(p, '#n-good', '1')
        p.click('#train')
        p.wait_for_selector('#train-error', state='visible', timeout=300_000)
        assert p.inner_text('#train-error').endswith('.') and 'Traceback' not in p.inner_text('#train-error')
        p.close()

def test_a_folder_by_its_path_and_duplicates(browser, drawn, tmp_path):
    from defect_nbdev.app.start import started
    good, bad = drawn
    with started(tmp_path/'project') as url:
        p = visit(browser, url)
        p.click('#good .by-path')
        p.fill('#path-good input', str(good[0].parent))
        p.keyboard.press('Enter')
        n = len(list(good[0].parent.glob('*.png')))
        until(p, '#n-good', str(n))
        until(p, '#said-good', 'were looked at')
        p.set_input_files('#files-good', str(good[0]) if good[0].parent == good[0].parent else '')
        until(p, '#said-good', 'is here already')
        p.set_input_files('#files-anomaly', str(good[0]))
        until(p, '#said-anomaly', 'cannot be both')
        p.fill('#path-good input', str(tmp_path/'nowhere'))
        p.keyboard.press('Enter')
        until(p, '#message', 'no folder on this machine')
        p.locator('#thumbs-good button').first.focus()
        p.keyboard.press('Enter')
        until(p, '#n-good', str(n - 1))
        assert len(list((tmp_path/'project/removed').iterdir())) == 1
        p.reload()
        p.wait_for_selector('#train')
        until(p, '#n-good', str(n - 1))
        p.close()

def test_whole_folders_are_dropped(browser, drawn, tmp_path):
    "The button for a folder, with what a file manager leaves in it."
    from defect_nbdev.app.start import started
    (tmp_path/'in/deep').mkdir(parents=True)
    shutil.copy(drawn[0][0], tmp_path/'in/deep/a.png')
    shutil.copy(drawn[0][1], tmp_path/'in/a.png')
    for n in '.DS_Store', 'Thumbs.db': (tmp_path/'in'/n).write_text('')
    with started(tmp_path/'project') as url:
        p = visit(browser, url)
        p.set_input_files('#folder-good', str(tmp_path/'in'))
        until(p, '#n-good', '2', 60)
        assert p.inner_text('#said-good') == ''
        p.close()
    assert sorted(f.name for f in (tmp_path/'project/photos/good').iterdir()) == ['a-1.png', 'a.png']

def ready(p, n=None):
    "The photo to draw on, in the middle of the window; where a share of it lies."
    p.wait_for_selector('#roi', state='visible')
    p.wait_for_timeout(300)
    if not p.evaluate('document.getElementById("roi").open'): p.click('#roi summary')
    s = p.locator('#roi-stage')
    s.evaluate('e => e.scrollIntoView({block: "center"})')
    for _ in range(100):
        if p.evaluate('document.getElementById("roi-photo").naturalWidth') and s.bounding_box()['height'] > 150: break
        p.wait_for_timeout(100)
    s.evaluate('e => e.scrollIntoView({block: "center"})')
    b = s.bounding_box()
    assert b['width'] > 200, b
    return lambda x, y: (b['x'] + x*b['width'], b['y'] + y*b['height'])

def drag(p, a, b):
    p.mouse.move(*a)
    p.mouse.down()
    p.mouse.move((a[0] + b[0])/2, (a[1] + b[1])/2)
    p.mouse.move(*b)
    p.mouse.up()
def drawn_path(p, name): return p.get_attribute(f'#roi-{name}', 'd') or ''
def numbers(text): return [float(v) for v in re.split('[ ,]', text)]
def near(file, *want):
    have = numbers(file.read_text())
    assert len(have) == len(want) and all(abs(h - w) < .012 for h, w in zip(have, want)), have

@pytest.fixture
def project(drawn, tmp_path):
    "A project with its photos."
    for kind, files in (('good', drawn[0]), ('anomaly', drawn[1])):
        (tmp_path/'project/photos'/kind).mkdir(parents=True)
        for f in files: shutil.copy(f, tmp_path/'project/photos'/kind)
    (tmp_path/'project/photos.sqlite').touch()
    return tmp_path/'project'

@pytest.mark.parametrize('width', [1280, 360])
def test_where_to_look_is_drawn(browser, project, width):
    "A rectangle by the mouse is kept over a reload, a closed tab and another server; it can be taken back; an outline by clicks."
    from PIL import Image
    from defect_nbdev.app.start import started
    file, size = project/'region.txt', dict(viewport=dict(width=width, height=800))
    Image.new('RGB', (400, 200), 'white').save(project/'photos/good/zz.png')
    with started(project) as url:
        p = visit(browser, url, **size)
        until(p, '#roi-said', 'whole photo', 20)
        at = ready(p)
        assert drawn_path(p, 'dim') == ''
        drag(p, at(.8, .9), at(.2, .3))
        until(p, '#roi-said', 'Looks only at a region, 36 % of the photo: rectangle', 20)
        near(file, .2, .3, .8, .9)
        fits(p)
        assert drawn_path(p, 'dim').count('M') == 2 and drawn_path(p, 'edge').endswith('Z') and p.is_hidden('#roi-open')
        p.reload()
        until(p, '#roi-said', '36 %', 20)
        at = ready(p)
        assert drawn_path(p, 'edge').endswith('Z')
        assert p.said == []
        p.close()
    with started(project) as url:
        p = visit(browser, url, **size)
        until(p, '#roi-said', '36 %', 20)
        assert p.evaluate('document.getElementById("roi").open')
        at = ready(p)
        drag(p, at(.5, .5), at(1.5, .9) if width == 1280 else (width - 1, at(0, .9)[1]))
        until(p, '#roi-said', '20 %', 20)
        near(file, .5, .5, 1, .9)      # beyond the photo is its border
        drag(p, at(.2, .4), at(.7, .4))
        p.wait_for_selector('#roi-error', state='visible')
        assert 'is empty' in p.inner_text('#roi-error')
        near(file, .5, .5, 1, .9)
        p.click('#roi-undo')
        until(p, '#roi-said', '36 %', 20)
        near(file, .2, .3, .8, .9)
        assert p.is_hidden('#roi-error')
        p.click('#roi-whole')
        until(p, '#roi-said', 'looks at the whole photo', 20)
        assert not file.exists() and drawn_path(p, 'dim') == '' and p.is_disabled('#roi-whole')
        at = ready(p)
        [p.mouse.click(*at(*c)) for c in ((.2, .2), (.8, .8), (.8, .2))]
        p.mouse.dblclick(*at(.2, .8))
        p.wait_for_selector('#roi-error', state='visible')
        assert 'crosses itself' in p.inner_text('#roi-error') and not file.exists()
        fits(p)
        assert p.inner_text('#roi-at') == '4 corners.'
        [p.keyboard.press('Backspace') for _ in '12']
        assert p.inner_text('#roi-at').startswith('2 corners') and p.is_hidden('#roi-error')
        at = ready(p)
        p.mouse.click(*at(.3, .9))
        p.keyboard.press('Enter')
        until(p, '#roi-said', 'polygon of 3 corners', 20)
        near(file, .2, .2, .8, .8, .3, .9)
        at = ready(p)
        p.mouse.click(*at(.1, .1))
        assert p.is_visible('#roi-open')
        p.mouse.dblclick(*at(.9, .9))
        until(p, '#roi-said', 'rectangle', 20)
        near(file, .1, .1, .9, .9)
        at = ready(p)
        p.mouse.click(*at(.1, .1))
        p.keyboard.press('Escape')
        assert p.inner_text('#roi-at') == '' and p.is_hidden('#roi-open')
        near(file, .1, .1, .9, .9)
        first = p.get_attribute('#roi-photo', 'src')
        p.click('#roi-other')
        assert p.get_attribute('#roi-photo', 'src') != first
        fits(p)
        for _ in range(40):
            if 'zz' in p.get_attribute('#roi-photo', 'src'): break
            p.click('#roi-other')
        p.wait_for_timeout(500)
        b = p.locator('#roi-stage').bounding_box()
        assert abs(b['width']/b['height'] - 2) < .05 and 'L360 20' in drawn_path(p, 'edge'), drawn_path(p, 'edge')      # the same shares of another shape
        fits(p)
        assert p.said == []
        p.close()

def test_where_to_look_by_finger(browser, project):
    "A finger draws; the page stays where it is."
    from defect_nbdev.app.start import started
    with started(project) as url:
        p = visit(browser, url, viewport=dict(width=360, height=800), has_touch=True)
        at = ready(p)
        finger = p.context.new_cdp_session(p)
        top = lambda: p.locator('#roi-stage').bounding_box()['y']
        before = top()
        def touch(kind, *points): finger.send('Input.dispatchTouchEvent', dict(type=f'touch{kind}', touchPoints=[dict(x=x, y=y) for x, y in points]))
        touch('Start', at(.3, .2))
        [touch('Move', at(.3 + .1*i, .2 + .15*i)) for i in (1, 2, 3, 4)]
        touch('End')
        until(p, '#roi-said', '24 %', 20)
        near(project/'region.txt', .3, .2, .7, .8)
        assert abs(top() - before) < 60      # texts above may gain or lose a line or two; a scroll would go with the finger, over half of the photo
        for c in (.2, .2), (.8, .2), (.5, .9), (.52, .9):
            touch('Start', at(*c))
            touch('End')      # a double tap is never exact
        until(p, '#roi-said', 'polygon of 3 corners', 20)
        assert p.said == []
        p.close()

def test_where_to_look_by_keys(browser, project):
    "Without a mouse: fold out, reach the photo, a rectangle and an outline; each step is said."
    from defect_nbdev.app.start import started
    file = project/'region.txt'
    with started(project) as url:
        p = visit(browser, url)
        p.wait_for_selector('#roi', state='visible')
        press = lambda *keys: [p.keyboard.press(k) for k in keys]
        p.focus('#roi summary')
        press('Enter', 'Tab')
        assert p.evaluate('document.activeElement.id') == 'roi-stage'
        p.wait_for_timeout(500)
        assert p.inner_text('#roi-at') == 'Cross at 50 % from the left, 50 % from the top.' and drawn_path(p, 'edge')
        press(*['Shift+ArrowLeft']*3, *['ArrowUp']*2, 'Enter')
        assert p.inner_text('#roi-at') == 'Cross at 20 % from the left, 48 % from the top. 1 corner.'
        press('Enter')
        assert '1 corner.' in p.inner_text('#roi-at')      # one corner is closed to nothing
        press(*['Shift+ArrowRight']*9, 'Shift+ArrowDown', 'Enter')
        assert 'Cross at 100 % from the left, 58 % from the top. 2 corners' in p.inner_text('#roi-at')
        press('Enter')
        until(p, '#roi-said', 'rectangle', 20)
        near(file, .2, .48, 1, .58)
        press('Enter', *['Shift+ArrowUp']*4, 'Enter', *['Shift+ArrowLeft']*5, 'Enter', 'ArrowLeft', 'Enter')
        assert '4 corners' in p.inner_text('#roi-at')
        press('Backspace')
        assert '3 corners' in p.inner_text('#roi-at')
        press('ArrowRight', 'Enter')
        until(p, '#roi-said', 'polygon of 3 corners', 20)
        near(file, 1, .58, 1, .18, .5, .18)
        press('Enter', 'Escape')
        assert 'corner' not in p.inner_text('#roi-at')
        press('Tab')
        assert p.evaluate('document.activeElement.id') == 'roi-other' and p.inner_text('#roi-at') == ''
        p.close()

def test_a_region_is_trained_and_tested(browser, project):
    "The bundle holds it; another one holds from the next training on; what training says against it stands on the page."
    from defect_nbdev.app.start import started
    from defect_nbdev.data.regions import Region
    from defect_nbdev.deploy.info import load_info, region_of
    with started(project, settings=QUICK) as url:
        p = visit(browser, url)
        at = ready(p)
        drag(p, at(.1, .2), at(.9, .95))
        until(p, '#roi-said', 'Looks only', 20)
        drew = p.inner_text('#roi-said')
        want = numbers((project/'region.txt').read_text())
        p.click('#train')
        until(p, '#train-said', 'Training:', 30)
        until(p, '#train-said', 'The model is trained.')
        assert 'looks only at a region' in p.text_content('#train-lines')
        region = region_of(load_info(project/'run'))
        x0, y0, x1, y1 = want
        assert region == Region(((x0, y0), (x1, y0), (x1, y1), (x0, y1))) and p.inner_text('#roi-said') == drew
        at = ready(p)
        drag(p, at(.2, .2), at(.8, .8))
        until(p, '#roi-said', 'This holds from the next training on.', 20)
        until(p, '#train-said', 'Where to look has changed', 20)
        p.reload()
        until(p, '#roi-said', 'next training', 20)
        at = ready(p)
        drag(p, at(.3, .3), at(.34, .34))
        until(p, '#roi-said', 'region, 0 %', 20)
        p.click('#train')
        p.wait_for_selector('#train-error', state='visible', timeout=300_000)
        assert 'draw it larger' in p.inner_text('#train-error') and region_of(load_info(project/'run')) == region
        until(p, '#roi-said', 'next training', 20)
        p.click('#roi-whole')
        until(p, '#roi-said', 'whole photo. This holds from the next training on.', 20)
        p.close()
    (project/'region.txt').write_text('0.1,0.2,0.9,0.9')
    for kw, word in ((dict(turned=True), 'stays where it is'), (dict(method='vgg16-gap'), 'always looks at whole photos')):
        with started(project, settings=QUICK | kw) as url:
            p = visit(browser, url)
            until(p, '#n-good', '24')
            p.wait_for_timeout(1200)
            p.click('#train')
            until(p, '#train-said', 'Training', 20)
            until(p, '#train-error', word)
            p.close()

def test_drawings_that_are_refused(project):
    "One sentence each, and the region before stays; a file by hand that makes no sense is said on the page."
    from defect_nbdev.app.start import started
    file = project/'region.txt'
    file.write_text('0.1,0.2,0.9,0.9')
    nan, inf = float('nan'), float('inf')
    with started(project) as url:
        token = re.search('name="token" content="([^"]+)"', urllib.request.urlopen(url).read().decode())[1]
        def post(body, **headers):
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            try: r = urllib.request.urlopen(urllib.request.Request(url + 'region', data, {'X-Token': token} | headers), timeout=60)
            except urllib.error.HTTPError as e: r = e
            return r.status, r.read().decode()
        bad = [None, 5, 'roi.png', {}, [[]], [[.1, .1]], [[.1, .1], [.2]], [['a', 'b'], [1, 1]], [[nan, 0], [1, 1]], [[0, 0], [1, nan], [1, 1]], [[.5, .5], [.5, .5]], [[2, 2], [3, 3]], [[-2, 0], [-1, 1]],
               [[0, 0], [.5, .5], [1, 1]], [[0, 0], [1, 1], [1, 0], [0, 1]], [[0, 0], [10**400, 1]], [[0, 0], [{}, 1]]]
        for corners in bad:
            status, text = post(dict(corners=corners))
            said = json.loads(text)['error']
            assert status == 422 and said.endswith('.') and 'Traceback' not in said and len(said) < 300, (corners, status, text)
        for body, want in ((b'', 422), (b'{}', 422), (b'[]', 400), (b'{"corners": ', 400), (dict(corners=[[.123456, .5]]*500), 413)):
            status, text = post(body)
            assert status == want and json.loads(text)['error'].endswith('.'), (body, status, text)
        assert post(dict(corners=[[0, 0], [.5, .5]]), Origin='http://evil.example')[0] == 403 and post(dict(corners=[]), **{'X-Token': 'x'})[0] == 403
        assert file.read_text() == '0.1,0.2,0.9,0.9'
        assert post(dict(corners=[[0, 0], [inf, .5]]))[0] == 200 and file.read_text() == '0,0,1,0.5'
        file.write_bytes(b'\xff nonsense')
        state = json.loads(urllib.request.urlopen(url + 'state').read())['region']
        assert state['corners'] == [] and 'no file and no list' in state['error']
        assert post(dict(corners=[]))[0] == 200 and not file.exists()

def test_what_is_refused(drawn, tmp_path):
    "Other sites, other names, no token, names that climb, photos that are too large."
    from defect_nbdev.app.start import started
    photo = drawn[0][0].read_bytes()
    with started(tmp_path/'project') as url:
        def status(path='', method='GET', data=None, **headers):
            try: return urllib.request.urlopen(urllib.request.Request(url + path, data, headers, method=method), timeout=60).status
            except urllib.error.HTTPError as e: return e.code
        page = urllib.request.urlopen(url)
        token = {'X-Token': re.search('name="token" content="([^"]+)"', page.read().decode())[1]}
        assert "default-src 'none'" in page.headers['content-security-policy'] and 'unsafe' not in page.headers['content-security-policy']
        assert [status(), status(Origin='http://evil.example'), status(Host='evil.example'), status(Origin='null')] == [200, 403, 403, 403]
        for what in 'check', 'train', 'cancel', 'folder', 'remove', 'region', 'inspect/judge', 'inspect/follow': assert status(what, 'POST', b'{}') == 403
        assert status('photos/good?name=a.png', 'PUT', photo) == 403 and status('photos/good?name=a.png', 'PUT', photo, Origin='http://evil.example', **token) == 403
        for name in '..%2F..%2Fescaped.png', '%2Fetc%2Fpasswd', 'a%00b.png', '.hidden.png', 'C%3A%5Cescaped2.png': assert status(f'photos/good?name={name}', 'PUT', photo, **token) == 200
        assert not list(tmp_path.rglob('passwd')) or all((tmp_path/'project/photos/good') in f.parents for f in tmp_path.rglob('passwd'))
        assert [f.parent.name for f in tmp_path.rglob('*escaped*')] in ([], ['good'])
        assert status('photos/bad?name=a.png', 'PUT', photo, **token) == 422 and status('photos/good?name=a.png', 'PUT', b'0'*(50*10**6 + 2), **token) == 413
        for path in 'thumb/good/..%2F..%2Fphotos.sqlite', 'thumb/good/none.png', 'large/none.png', 'large/..%2F..%2Fphotos.sqlite', 'report', 'checked', 'photos.sqlite': assert status(path) == 404
        (tmp_path/'project/run').mkdir()
        (tmp_path/'project/run/report.html').write_text('<p>x</p>')
        h = urllib.request.urlopen(url + 'report').headers
        assert h['content-security-policy'].startswith('sandbox allow-scripts;') and 'allow-same-origin' not in h['content-security-policy']

def test_the_program(defect, tmp_path, drawn):
    "One word is enough; a folder that holds something else is left alone; Ctrl-C ends it with a sentence."
    p = subprocess.Popen([Path(sys.executable).parent/'defect', 'start'], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path, env=os.environ | dict(TMPDIR=str(tmp_path)))
    try: assert urllib.request.urlopen(re.search(r'http://\S+', p.stdout.readline())[0]).status == 200
    finally: p.terminate()
    _, err = p.communicate(timeout=60)
    assert 'are kept' in err and 'Traceback' not in err and sorted(f.name for f in tmp_path.iterdir()) == ['defect_start']
    refused(defect('start', drawn[0][0].parent), 'left alone')
    refused(defect('start', drawn[0][0]), 'is a file')
