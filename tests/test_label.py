"The labelling view in a real browser: by keys, on a narrow window, with a killed program and a reloaded tab."
import os, re, shutil, subprocess, sys, time
from pathlib import Path
import pytest
from conftest import quiet_port, refused
sync_api = pytest.importorskip('playwright.sync_api')
pytest.importorskip('starlette')
from defect_nbdev.app.label import Labelling
from defect_nbdev.app.label_page import labelled_page
from defect_nbdev.data.feedback import read_feedback
from defect_nbdev.data.labelling import clicks
from defect_nbdev.data.samples import samples

def train_slowly(tell, store, old=None, out=None):
    "Stands for `retrain_run`."
    for i in range(12):
        tell(i/12, f'step {i}')
        time.sleep(.25)
    return dict(out='runs/new', compare=None, text='right      30 -> 33 of 40') if old is None else dict(out=old, compare=None, text='won, lost  2, 1')

@pytest.fixture
def photos(washer, tmp_path):
    "A folder of ten unlabelled photos."
    folder = tmp_path/'unsorted'
    folder.mkdir()
    for i, p in enumerate(sorted((washer/'test').rglob('*.png'))[:10]): shutil.copyfile(p, folder/f'{i:02}.png')
    return folder

@pytest.fixture
def tab(new_tab): return lambda url, **kw: new_tab(url, '#photo[src]', **kw)

def until(p, at, word): p.wait_for_function('([a, w]) => document.querySelector(a)?.innerText.includes(w)', arg=[at, word], timeout=90_000)
def press(p, key, count):
    p.keyboard.press(key)
    until(p, '#count', f'{count} of 10')

def test_by_keys(tab, photos):
    view = Labelling(photos)
    with labelled_page(view) as url:
        p = tab(url)
        assert p.inner_text('#name') == '00.png'
        press(p, 'g', 1)
        press(p, 'a', 2)
        p.keyboard.press('s')
        until(p, '#more', '1 skipped')
        press(p, 'G', 3)
        press(p, 'u', 2)
        until(p, '#name', '03.png')
        p.keyboard.press('u')
        until(p, '#name', '02.png')
        p.click('#add')
        p.fill('#types input', 'dent')
        p.keyboard.press('Enter')
        until(p, '#types', 'dent')
        press(p, '1', 3)
        p.click('#types button[title="rename dent"]')
        p.fill('#types input', 'deep g')
        p.keyboard.press('Enter')
        until(p, '#types', 'deep g')
        press(p, '1', 4)
        assert p.said == [] and all(u.startswith((url, 'data:')) for u in p.asked), (p.said, p.asked)
        for i in range(5, 11): press(p, 'g', i)
        until(p, '#name', 'All photos are labelled')
        assert p.get_attribute('#good', 'disabled') is not None
        with p.expect_download() as d:
            p.locator('summary').click()
            p.click('#export')
        assert len(Path(d.value.path()).read_text().splitlines()) == 11
    assert read_feedback(view.store).defect.tolist()[:4] == ['', '', 'dent', 'deep g']

def test_kept_before_the_next_photo_shows(tab, photos):
    "Whenever a new photo is seen, the click on the one before is in the store."
    view = Labelling(photos)
    with labelled_page(view) as url:
        p = tab(url)
        for i in range(1, 8):
            p.keyboard.press('ga'[i % 2])
            p.wait_for_function('n => document.querySelector("#name").innerText === n', arg=f'{i:02}.png')
            assert len(clicks(view.store)) == i

def test_fast_keys_and_reload(tab, photos):
    "Keys that come too early do nothing; a reloaded tab and a second one go on."
    view = Labelling(photos)
    with labelled_page(view) as url:
        p = tab(url)
        for _ in range(12): p.keyboard.press('g')
        p.wait_for_timeout(500)
        n = len(clicks(view.store))
        assert 1 <= n <= 10
        until(p, '#count', f'{n} of 10')
        assert clicks(view.store).sha256.is_unique
        p.reload()
        until(p, '#count', f'{n} of 10')
        until(tab(url) if n < 10 else p, '#count', f'{n} of 10')

def start(folder, port, tmp_path):
    p = subprocess.Popen([Path(sys.executable).parent/'defect', 'label', folder, '--port', str(port)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ | dict(TMPDIR=str(tmp_path)))
    line = p.stdout.readline()
    assert 'open http' in line, p.stderr.read()
    return p, re.search(r'http://\S+', line)[0]

def test_killed_program(tab, photos, tmp_path):
    "A click on a dead program waits in the browser, even in a reloaded tab, and arrives once."
    port = quiet_port()
    program, url = start(photos, port, tmp_path)
    try:
        p = tab(url)
        press(p, 'g', 1)
        program.kill()
        program.wait()
        p.keyboard.press('a')
        until(p, '#message', 'is sent again')
        assert p.inner_text('#count') == '1 of 10 labelled'
        program, _ = start(photos, port, tmp_path)
        until(p, '#count', '2 of 10')
        assert p.is_hidden('#message')
        program.kill()
        program.wait()
        p.keyboard.press('g')
        until(p, '#message', 'is sent again')
        program, _ = start(photos, port, tmp_path)
        p.reload()
        until(p, '#count', '3 of 10')
        assert clicks(photos/'feedback.sqlite').label.tolist() == ['good', 'anomaly', 'good']
        program.terminate()
        _, err = program.communicate(timeout=30)
        assert 'every label is kept' in err and 'Traceback' not in err
    finally:
        program.kill()
        program.wait()

@pytest.mark.parametrize('scheme', ['light', 'dark'])
def test_narrow(tab, photos, scheme):
    with labelled_page(Labelling(photos)) as url:
        p = tab(url, viewport=dict(width=360, height=740), color_scheme=scheme)
        assert p.evaluate('document.documentElement.scrollWidth') <= 360
        for b in ('good', 'anomaly', 'skip', 'undo'):
            box = p.locator(f'#{b}').bounding_box()
            assert box['y'] + box['height'] <= 740 and box['height'] >= 44, b
        p.click('#good')
        until(p, '#count', '1 of 10')

def test_reached_by_tab_key(tab, photos):
    with labelled_page(Labelling(photos, retrain=train_slowly)) as url:
        p = tab(url)
        press(p, 'g', 1)
        seen = set()
        for _ in range(14):
            p.keyboard.press('Tab')
            seen.add(p.evaluate('document.activeElement.id'))
        assert {'retrain', 'good', 'anomaly', 'skip', 'undo', 'zoom', 'add'} <= seen, seen

def test_with_a_model(tab, photos, run, tmp_path):
    "Reasons, heat, an order; and retraining in the background, one at a time, with what was won."
    view = Labelling(photos, run, tmp_path/'labels.sqlite', train_slowly)
    n = view.state()['total']
    if n < 3: pytest.skip('the model has seen the photos')
    with labelled_page(view) as url:
        p = tab(url)
        p.wait_for_function('() => document.querySelector("#reason").innerText.length > 5', timeout=60_000)
        assert 'heat=1' in p.get_attribute('#photo', 'src')
        p.keyboard.press('h')
        assert 'heat' not in p.get_attribute('#photo', 'src')
        p.keyboard.press('h')
        p.keyboard.press('a')
        until(p, '#count', f'1 of {n}')
        assert read_feedback(view.store).verdict[0] in ('PASS', 'REVIEW', 'FAIL')
        p.click('#retrain')
        until(p, '#left', 'left')
        assert p.is_disabled('#retrain')
        p.keyboard.press('g')
        until(p, '#count', f'2 of {n}')      # labelling goes on
        p.reload()
        until(p, '#doing', 'Training')
        until(p, '#compared', 'won, lost')

def test_unreadable_and_passed_over(tab, photos):
    (photos/'00.png').write_bytes(b'torn')
    (photos/'notes.txt').touch()
    with labelled_page(Labelling(photos)) as url:
        p = tab(url)
        assert p.inner_text('#name') == '01.png'
        p.locator('summary').click()
        until(p, '#unreadable', '00.png')
        until(p, '#passed', 'notes.txt')

def test_refused(defect, tmp_path, photos):
    (tmp_path/'empty').mkdir()
    refused(defect('label', tmp_path/'empty'), 'holds no images')
    refused(defect('label', tmp_path/'none'), 'does not exist')
    refused(defect('label', photos, '--export', tmp_path/'x.csv'), 'nothing has been added')

def test_labels_are_taken_out_and_learned(defect, washer, tmp_path):
    "From clicks to a table to a training."
    from defect_nbdev.data.labelling import add_click
    t = samples(washer)
    store = tmp_path/'labels.sqlite'
    for r in t.itertuples(): add_click(store, r.path, r.label, r.defect if r.label == 'anomaly' else '')
    r = defect('label', washer, '--store', store, '--export', tmp_path/'labels.csv')
    assert f'{len(t)} labels' in r.stdout
    back = samples(tmp_path/'labels.csv').set_index('path')
    assert (back.loc[t.path].label.values == t.label.values).all() and set(back.split) == {'train', 'test'}

def test_beside_the_page_of_app(run, photos, tab, tmp_path):
    "The same guard, and a link from the page."
    import urllib.error, urllib.request
    from defect_nbdev.app.label_page import mounted
    from defect_nbdev.app.serve import served
    view = Labelling(photos, run, tmp_path/'labels.sqlite')
    with mounted(view) as more:
        with served(run, auth='ann:correct-horse', **more) as url:
            for path in 'label/', 'label/state', 'label/photo/x': assert urllib.request.urlopen(url + path, timeout=20).url == url + 'login'      # the same login
        with served(run, store=tmp_path/'labels.sqlite', **more) as url:
            p = tab(url + 'label/')
            p.keyboard.press('g')
            until(p, '#count', '1 of')
            p.goto(url)
            p.wait_for_selector('a[href="label/"]')
            p.click('a[href="label/"]')
            p.wait_for_selector('#photo')
            until(p, '#count', '1 of')
            for headers in (dict(Host='evil.example'), dict(Origin='http://evil.example')):
                with pytest.raises(urllib.error.HTTPError, match='403'): urllib.request.urlopen(urllib.request.Request(url + 'label/state', headers=headers), timeout=20)
            with pytest.raises(urllib.error.HTTPError, match='403'): urllib.request.urlopen(url + 'label/click', b'{}', timeout=20)          # no token
