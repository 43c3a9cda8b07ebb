"A part beside its most similar good one: in report, page and notebook, with older, damaged and private bundles."
import hashlib, json, re, shutil, subprocess, sys
import numpy as np, pytest
from PIL import Image
from conftest import ROOT, refused
from defect_nbdev.deploy.inspector import Inspector
from defect_nbdev.deploy.references import FOLDER, MOST, SIDE, References
from defect_nbdev.deploy.verdict import Verdict
from defect_nbdev.deploy.why import LEFT_OUT, OLD_BUNDLE, is_asked, references_of, show_why, why

HEAVY = 'torch', 'torchvision', 'fastai', 'sklearn', 'matplotlib', 'fastprogress', 'safetensors'

def parts_of(page): return json.loads(re.search(r'id="data">(.*?)</script>', page.read_text(), re.S)[1])['parts']
def said_in(page): return json.loads(re.search(r'id="data">(.*?)</script>', page.read_text(), re.S)[1])['said']

def changed(bundle, **new):
    "Rewrite entries of model.json; None removes one."
    info = json.loads((bundle/'model.json').read_text()) | new
    info = {k: v for k, v in info.items() if v != 'gone'}
    (bundle/'model.json').write_text(json.dumps(info))

@pytest.fixture
def copy_of(run, tmp_path):
    shutil.copytree(run, tmp_path/'run')
    return tmp_path/'run'

def report(defect, run, photos, out):
    r = defect('report', run, photos, '-o', out, '--include-seen', '--fail-at', .45)
    assert r.returncode == 0, r.stderr
    return out

def test_good_parts_travel(run, washer):
    info = json.loads((run/'bundle/model.json').read_text())
    photos, files = info['references']['photos'], sorted((run/'bundle'/FOLDER).iterdir())
    assert 3 <= len(photos) == len(files) <= MOST
    for p, f in zip(photos, files):
        assert hashlib.sha256(f.read_bytes()).hexdigest() == p['sha256']
        with Image.open(f) as im: assert im.format == 'JPEG' and max(im.size) <= SIDE
    names = {p.name for p in (washer/'train/good').iterdir()} | {p.name for p in (washer/'test/good').iterdir()}
    assert {p['name'] for p in photos} <= names

def test_no_test_part_and_no_anomaly_travels(run):
    seen = set(json.loads((run/'bundle/model.json').read_text())['data']['seen'])
    assert len(json.loads((run/'bundle/model.json').read_text())['references']['photos']) <= len(seen)

def test_report_shows_each_that_does_not_pass_clearly(defect, run, washer, tmp_path):
    page = report(defect, run, washer, tmp_path/'r.html')
    parts = parts_of(page)
    asked = [q for q in parts if q['p'] >= .45]
    assert asked and all(q['w'].startswith('data:image/jpeg') and 'good parts' in q['m'] for q in asked)
    assert all('w' not in q for q in parts if q['p'] < .1 and q['y'] == 0 and not q.get('u') and not q.get('o'))
    assert 'stand alone' not in said_in(page)

def test_enlarged_in_the_report(browser, defect, run, washer, tmp_path):
    "The pair stands beside the part in the viewer, in a wide window and in a narrow one."
    pytest.importorskip('playwright.sync_api')
    page = report(defect, run, washer, tmp_path/'r.html')
    for width in 1280, 360:
        p = browser.new_page(viewport=dict(width=width, height=800))
        said = []
        p.on('pageerror', lambda e: said.append(str(e)))
        p.goto(page.as_uri())
        p.locator('.tiles button:has(.why)').first.click()
        p.wait_for_selector('dialog .pair img', state='visible')
        assert 'most similar' in p.inner_text('dialog .pair') and p.evaluate('document.documentElement.scrollWidth') <= width and said == []
        v = p.locator('dialog svg').first.bounding_box()
        assert v['width'] > 200 and v['height'] > 100
        plain = p.locator('.tiles button:not(:has(.why))')
        p.keyboard.press('Escape')
        if plain.count():
            plain.first.click()
            p.wait_for_selector('dialog .pair', state='hidden')

def test_left_out(defect, washer, tmp_path):
    r = defect('train', washer, '-o', tmp_path/'run', '--method', 'vgg16-gap', '--epochs', 1, '--size', 96, '--no-export', '--no-references', '--examples', 0)
    assert r.returncode == 0, r.stderr
    assert json.loads((tmp_path/'run/bundle/model.json').read_text())['references'] is None
    assert not list((tmp_path/'run/bundle').rglob('*.jpg'))
    page = report(defect, tmp_path/'run', washer, tmp_path/'r.html')
    assert LEFT_OUT in said_in(page) and not any('w' in q for q in parts_of(page))

def test_older_bundle(defect, copy_of, washer, tmp_path):
    changed(copy_of/'bundle', references='gone')
    shutil.rmtree(copy_of/'bundle'/FOLDER)
    page = report(defect, copy_of, washer, tmp_path/'r.html')
    assert OLD_BUNDLE in said_in(page) and not any('w' in q for q in parts_of(page))
    assert defect('test', copy_of, washer, '--include-seen').returncode == 0

def test_bundle_of_schema_1():
    old = ROOT/'tests/old_bundle'
    inspector = Inspector(old, device='cpu')
    assert inspector.references.note == OLD_BUNDLE and len(inspector.references) == 0
    photo = next(p for p in old.iterdir() if p.suffix in ('.png', '.jpg'))
    assert why(inspector.predict(photo), inspector.references) is None

HARM = {
    'other bytes': lambda d: (d/'000.jpg').write_bytes(b'x'),
    'one is missing': lambda d: (d/'001.jpg').unlink(),
    'all are missing': lambda d: shutil.rmtree(d),
    'a link': lambda d: ((d/'000.jpg').unlink(), (d/'000.jpg').symlink_to(d/'001.jpg')),
    'too large': lambda d: (d/'000.jpg').write_bytes(bytes(2*10**6)),
    'a folder': lambda d: ((d/'000.jpg').unlink(), (d/'000.jpg').mkdir())}

@pytest.mark.parametrize('harm', HARM)
def test_damaged_ones_are_told_and_stop_nothing(defect, copy_of, washer, tmp_path, harm):
    HARM[harm](copy_of/'bundle'/FOLDER)
    note = references_of(copy_of, json.loads((copy_of/'bundle/model.json').read_text())).note
    assert 'copy the bundle again' in note and len(note.splitlines()) == 1
    if harm != 'other bytes': return
    page = report(defect, copy_of, washer/'test/spot', tmp_path/'r.html')
    assert note in said_in(page) and not any('w' in q for q in parts_of(page))
    r = defect('predict', copy_of, next((washer/'test/spot').iterdir()))
    assert r.returncode == 0 and 'good_parts' not in r.stderr

def test_a_strange_entry_is_refused(defect, copy_of, washer):
    photo = next((washer/'test/spot').iterdir())
    for entry in (dict(photos=[]), dict(photos=[dict(name='../x', sha256='1')]), dict(photos='x'), [1], dict(photos=[dict(name='x'*999, sha256='0'*64)])):
        changed(copy_of/'bundle', references=entry)
        refused(defect('predict', copy_of, photo), 'model.json is damaged', 'references')

def test_a_decompression_bomb_is_not_decoded(copy_of, tmp_path):
    f = copy_of/'bundle'/FOLDER/'000.jpg'
    Image.new('L', (20_000, 20_000)).save(tmp_path/'bomb.jpg', quality=1)
    b = (tmp_path/'bomb.jpg').read_bytes()[:900_000]
    f.write_bytes(b)
    info = json.loads((copy_of/'bundle/model.json').read_text())
    info['references']['photos'][0]['sha256'] = hashlib.sha256(b).hexdigest()
    assert 'no JPEG of up to' in references_of(copy_of, info).note

def drawn(size=(96, 96), seed=0): return Image.fromarray(np.random.default_rng(seed).integers(0, 255, (*size[::-1], 3), np.uint8))

@pytest.mark.parametrize('size', [(96, 96), (400, 40), (40, 400), (7, 5), (3000, 2000)])
@pytest.mark.parametrize('good', [(96, 96), (300, 30)])
def test_any_shape(size, good):
    references = References([drawn(good, i) for i in range(3)], ['a', 'b', 'c'])
    raw = np.zeros((6, 6), np.float32)
    raw[5, 0] = 1
    for boxes in (np.zeros((0, 4), int), np.array([[0, 0, *size]]), np.array([[size[0] - 1, 0, size[0], 1]])):
        v = Verdict('', 'FAIL', .9, size=size[::-1], raw=raw, photo=drawn(size, 9))
        v._boxes = boxes, np.ones(len(boxes), np.float32)
        w = why(v, references)
        assert w.name in 'abc' and w.jpeg().startswith(b'\xff\xd8') and max(abs(s) for s in w.match.shift) <= .041

def test_a_part_finds_itself():
    references = References([drawn((96, 96), i) for i in range(20)], [str(i) for i in range(20)])
    raw = np.zeros((6, 6), np.float32)
    raw[2, 2] = 1
    for i in (0, 7, 19):
        w = why(Verdict('', 'FAIL', .9, size=(96, 96), raw=raw, photo=drawn((96, 96), i)), references)
        assert w.name == str(i) and w.match.turn == 0 and w.match.shift == (0, 0)
    turned = drawn((96, 96), 7).transpose(Image.Transpose.ROTATE_90)
    w = why(Verdict('', 'FAIL', .9, size=(96, 96), raw=raw, photo=turned), references)
    assert w.name == '7' and 'turned by 90 degrees' in w.text

def test_no_heat_no_pair():
    v = Verdict('', 'FAIL', .9, size=(96, 96), raw=np.zeros((6, 6), np.float32), photo=drawn())
    assert why(v, References([drawn()], ['a'])) is None

def test_a_name_stays_a_name():
    raw = np.zeros((6, 6), np.float32)
    raw[2, 2] = 1
    evil = '"><script>alert(1)</script>.png'
    w = why(Verdict(evil, 'FAIL', .9, size=(96, 96), raw=raw, photo=drawn()), References([drawn()], [evil]))
    assert '<script>' not in w.to_html()

def test_who_is_asked():
    def asked(label, p, **kw): return is_asked(Verdict('', label, p, .5, .5, **kw))
    assert asked('FAIL', .6) and asked('REVIEW', .001, unlike='darker') and asked('PASS', .3) and not asked('PASS', .05)
    assert is_asked(Verdict('', 'PASS', 0., 0., 0.)) and not is_asked(Verdict('', 'PASS', 0., 1., 1.))

def test_in_a_notebook(run, washer):
    inspector = Inspector(run, device='cpu')
    w = show_why(inspector.predict(next((washer/'test/spot').iterdir())), inspector)
    assert '<figure' in w._repr_html_() and w.name in w.text and w.among == len(inspector.references)

def test_without_torch(run, washer):
    "Pair and picture on a machine that only inspects."
    code = '''
import sys
sys.modules |= dict.fromkeys(sys.argv[1].split(','))
import numpy as np
from defect_nbdev.deploy.info import load_info
from defect_nbdev.deploy.verdict import Verdict
from defect_nbdev.deploy.why import references_of, why
from defect_nbdev.data.images import read_image
references = references_of(sys.argv[2], load_info(sys.argv[2]))
im, raw = read_image(sys.argv[3]), np.eye(6, dtype=np.float32)
print(len(why(Verdict('', 'FAIL', .9, size=im.size[::-1], raw=raw, photo=im), references).jpeg()) > 1000)
'''
    r = subprocess.run([sys.executable, '-c', code, ','.join(HEAVY), run, next((washer/'test/spot').iterdir())], capture_output=True, text=True)
    assert r.stdout.strip() == 'True', r.stderr
