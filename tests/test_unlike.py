"A photo unlike everything learned never passes, however it is inspected; and a normal one is rarely called unlike."
import json, shutil
import numpy as np, pandas as pd, pytest
from PIL import Image
from conftest import refused
from defect_nbdev.app.rejudge import judged
from defect_nbdev.data.images import read_image
from defect_nbdev.data.synth import synth_folder
from defect_nbdev.deploy.info import INFO, bundle_of
from defect_nbdev.deploy.inspector import Inspector, NO_GATE
from defect_nbdev.models.gate_file import GATE
from defect_nbdev.models.photo_views import SMALL
from defect_nbdev.study.unlike import WRONG
from defect_nbdev.report.sections import report_page

ALWAYS = 'black white grey dark_noise noise blur another_part empty half_covered torn negative overexposed underexposed other_size other_shape colour_cast'.split()

@pytest.fixture(scope='module')
def photo(washer): return read_image(next((washer/'train/good').iterdir()))

@pytest.fixture(scope='module')
def frames(photo, tmp_path_factory):
    "A folder of wrong frames, in the order of their names after two photos that are right."
    out = tmp_path_factory.mktemp('frames')
    photo.save(out/'00_right.png')
    for name in ALWAYS: WRONG[name](photo, np.random.default_rng(0)).save(out/f'{name}.png')
    return out

@pytest.fixture(scope='module')
def inspector(run): return Inspector(run, device='cpu')

def wrong_rows(t): return t[~t.path.str.contains('right')]

@pytest.mark.parametrize('name', ALWAYS)
def test_no_wrong_frame_passes_in_a_notebook(inspector, photo, name):
    v = inspector.predict(np.asarray(WRONG[name](photo, np.random.default_rng(0))))
    assert v.label == 'REVIEW' and v.unlike.startswith('unlike the training photos: ') and v.p_like < 1/200, v
    assert v.unlike in repr(v) and v.to_dict()['unlike'] == v.unlike
    for at in .001, .5, 1.: assert judged(v, at).label == 'REVIEW'                # no slider lets it pass

def test_a_normal_photo_is_like_the_others(inspector, photo):
    v = inspector.predict(photo)
    assert not v.unlike and v.p_like > 1/200

def test_normal_photos_are_rarely_unlike(inspector, tmp_path):
    "Held-out washers; the gate was learned from about 15, and the rate is promised for many."
    folder = synth_folder(tmp_path/'new', 150, 3, size=128, seed=1)
    vs = inspector.predict(sorted(map(str, (folder/'train/good').iterdir())), progress=False)
    assert sum(bool(v.unlike) for v in vs) <= 5, [v.unlike for v in vs if v.unlike]

def test_words(inspector, photo):
    said = {k: inspector.predict(WRONG[k](photo, np.random.default_rng(0))).unlike for k in ('black', 'white', 'other_size')}
    assert 'darker than all' in said['black'] and 'brighter than all' in said['white'] and '64 x 64 px, training photos have 128 x 128' in said['other_size'], said

def test_predict_and_its_files(defect, run, frames, tmp_path):
    r = defect('predict', run, frames)
    lines = r.stdout.splitlines()
    assert r.returncode == 0 and len(lines) == len(ALWAYS) + 1
    assert all(l.startswith('REVIEW') and 'unlike the training photos' in l for l in lines if 'right' not in l), r.stdout
    r = defect('predict', run, frames, '-o', tmp_path/'out', '--overlays')
    t = pd.read_csv(tmp_path/'out/predictions.csv', keep_default_na=False)
    assert t.columns[-1] == 'unlike' and set(wrong_rows(t).verdict) == {'REVIEW'} and (wrong_rows(t).unlike != '').all()
    coco = json.loads((tmp_path/'out/coco.json').read_text())
    assert sum('unlike' in i for i in coco['images']) == len(ALWAYS)
    m = json.loads((tmp_path/'out/manifest.json').read_text())['trend']
    assert m['unlike'] == len(ALWAYS) and m['first'].endswith('another_part.png')
    assert 'trend: from' in r.stderr and 'another_part.png on 16 of 16 photos are unlike' in r.stderr, r.stderr

def test_without_the_gate(defect, run, frames):
    r = defect('predict', run, frames, '--no-gate')
    assert r.returncode == 0 and 'unlike the' not in r.stdout and 'no gate' in r.stderr

def test_watch_tells_once_and_remembers(defect, run, frames, tmp_path):
    shutil.copytree(frames, tmp_path/'inbox')
    go = lambda: defect('watch', run, tmp_path/'inbox', '-o', tmp_path/'out', '--once', '--settle', .1)
    r = go()
    t = pd.read_csv(tmp_path/'out/verdicts.csv', keep_default_na=False)
    assert set(wrong_rows(t).verdict) == {'REVIEW'} and r.stderr.count('are unlike the training photos') == 1, r.stderr
    shutil.copy(frames/'black.png', tmp_path/'inbox/later.png')
    r = go()
    assert r.stdout.startswith('REVIEW') and 'trend' not in r.stderr

def test_page_and_report(run, frames, inspector, tmp_path):
    from defect_nbdev.app.page import Page
    page = Page(run, folder=tmp_path/'page')
    part = page.part(page.inspect(frames/'black.png'), 1., 1.)
    assert part['label'] == 'REVIEW' and 'darker than all' in part['said']
    assert part['remark'].startswith('unlike')
    html = report_page('frames', inspector.predict(str(frames), progress=False), inspector.info)
    assert html.count('"u": "unlike the training photos') == len(ALWAYS) and 'q.u ? \'REVIEW\'' in html

def test_report_of_a_folder_shows_the_trend(defect, run, frames, tmp_path):
    r = defect('report', run, frames, '-o', tmp_path/'r.html')
    assert r.returncode == 0, r.stderr
    html = (tmp_path/'r.html').read_text()
    assert '<h2>Trend</h2>' in html and 'photos are unlike the training photos' in html

def test_export_has_the_same_gate(run, washer, frames, inspector, tmp_path):
    for m in 'onnx', 'onnxscript', 'onnxruntime': pytest.importorskip(m)
    from defect_nbdev.deploy.export import export_bundle
    shutil.copytree(run, tmp_path/'run')
    export_bundle(tmp_path/'run/bundle', 'onnx', washer, bar=False)
    paths = sorted(map(str, frames.iterdir()))
    onnx = Inspector(tmp_path/'run', backend='onnx').predict(paths, progress=False)
    assert [(v.label, v.unlike, v.p_like) for v in onnx] == [(v.label, v.unlike, v.p_like) for v in inspector.predict(paths, progress=False)]

def test_checkpoints_and_thresholds_keep_the_gate(run, tmp_path):
    from defect_nbdev.deploy.bundle import set_thresholds
    shutil.copytree(run, tmp_path/'run')
    set_thresholds(tmp_path/'run', fail_at=.9)
    assert Inspector(tmp_path/'run', device='cpu').predict(np.zeros((128, 128, 3), np.uint8)).label == 'REVIEW'

FINE = 'grainy noise_25 salt_and_pepper every_4th_row jpeg_5 dead_row dead_column interlaced faint_comb'.split()

@pytest.fixture(scope='module')
def large(tmp_path_factory):
    "Drawn washers of 512 px."
    return synth_folder(tmp_path_factory.mktemp('large')/'washer', 44, 8, size=512, seed=2)

@pytest.fixture(scope='module')
def large_run(defect, large, tmp_path_factory):
    "A run that learned from all but four of them, squished to 128 px."
    four = sorted((large/'train/good').iterdir())[:4]
    kept = tmp_path_factory.mktemp('kept')
    for f in four: shutil.move(f, kept/f.name)
    out = tmp_path_factory.mktemp('runs')/'large'
    r = defect('train', large, '-o', out, '--method', 'vgg16-gap', '--epochs', 1, '--size', 128, '--no-export')
    assert r.returncode == 0, r.stderr
    return out, kept

def test_a_small_input_does_not_hide_what_a_large_photo_shows(defect, large_run, tmp_path):
    "Noise, specks, lines and blocks vanish when 512 px become 128; the gate sees them at full size."
    run, kept = large_run
    first = read_image(min(kept.iterdir()))
    for k in FINE: WRONG[k](first, np.random.default_rng(0)).save(tmp_path/f'{k}.png')
    r = defect('predict', run, tmp_path)
    lines = r.stdout.splitlines()
    assert len(lines) == len(FINE) and all(l.startswith('REVIEW') and 'unlike the training photos' in l for l in lines), r.stdout
    said = {k: next(l for l in lines if f'{k}.png' in l) for k in FINE}
    assert 'more specks at full size' in said['salt_and_pepper'], said
    assert all('at full size' in said[k] for k in ('dead_row', 'dead_column', 'interlaced', 'faint_comb')), said

def test_a_large_photo_is_like_the_others(large_run):
    run, kept = large_run
    vs = Inspector(run, device='cpu').predict(sorted(map(str, kept.iterdir())), progress=False)
    assert not any(v.unlike for v in vs), [v.unlike for v in vs]

def test_gate_of_a_version_that_saw_the_squished_photo_only(large_run, tmp_path):
    "Its lists are shorter and name no measures: it's read, and judges as it always did."
    run, kept = large_run
    shutil.copytree(bundle_of(run), tmp_path/'old')
    info = json.loads((tmp_path/'old'/INFO).read_text())
    gate, n = info['gate'], len(SMALL)
    assert gate.pop('measures')[:n] == list(SMALL)
    for k in 'known', 'ranges': gate[k] = gate[k][:n]
    for k in 'tails', 'anomaly_most': gate[k] = gate[k][:n + 6]
    (tmp_path/'old'/INFO).write_text(json.dumps(info))
    old, new = [Inspector(b, device='cpu') for b in (tmp_path/'old', run)]
    photo = read_image(min(kept.iterdir()))
    assert old.predict(photo).unlike == '' and 'darker than all' in old.predict(np.zeros((512, 512, 3), np.uint8)).unlike
    faint = WRONG['faint_comb'](photo, None)
    assert old.predict(faint).unlike == '' and 'at full size' in new.predict(faint).unlike

def test_bundle_of_an_older_version(defect, run, frames, tmp_path):
    shutil.copytree(bundle_of(run), tmp_path/'old')
    info = json.loads((tmp_path/'old'/INFO).read_text())
    del info['gate']
    (tmp_path/'old'/INFO).write_text(json.dumps(info))
    (tmp_path/'old'/GATE).unlink()
    old = Inspector(tmp_path/'old', device='cpu')
    assert NO_GATE in repr(old) and old.predict(np.zeros((128, 128, 3), np.uint8)).unlike == ''
    r = defect('predict', tmp_path/'old', frames/'black.png')
    assert r.returncode == 0 and r.stderr.count('no gate for unlike photos; train again') == 1

def _npy(a):
    import io
    b = io.BytesIO()
    np.save(b, a, allow_pickle=a.dtype == object)
    return b.getvalue()

DAMAGE = dict(
    gone=None, cut=lambda b: b[:100], text=lambda b: b'hello', objects=lambda b: _npy(np.array([{}], object)),
    nan=lambda b: _npy(np.full_like(np.load(__import__('io').BytesIO(b)), np.nan)), shape=lambda b: _npy(np.zeros((3, 3), np.float32)),
    huge=lambda b: b"\x93NUMPY\x01\x00v\x00{'descr': '<f4', 'fortran_order': False, 'shape': (99999999, 99999999), }".ljust(127) + b'\n')

@pytest.mark.parametrize('hashed', [False, True], ids=['other hash', 'same hash'])
@pytest.mark.parametrize('kind', DAMAGE)
def test_damaged_file(defect, run, frames, tmp_path, kind, hashed):
    import hashlib
    shutil.copytree(bundle_of(run), tmp_path/'b')
    f = tmp_path/'b'/GATE
    if DAMAGE[kind] is None: f.unlink()
    else:
        f.write_bytes(DAMAGE[kind](f.read_bytes()))
        if hashed:
            info = json.loads((tmp_path/'b'/INFO).read_text())
            info['gate']['sha256'] = hashlib.sha256(f.read_bytes()).hexdigest()
            (tmp_path/'b'/INFO).write_text(json.dumps(info))
    refused(defect('predict', tmp_path/'b', frames/'black.png'), GATE, '--no-gate')
    assert defect('predict', tmp_path/'b', frames/'black.png', '--no-gate').returncode == 0

@pytest.mark.parametrize('change', [
    dict(rate='x'), dict(rate=-1), dict(rate=float('nan')), dict(good=[]), dict(good=['a']*5), dict(good=[3., 2., 1.]), dict(known=[[0., 0., 0.]]*30), dict(tails=[[0., -1.]]*36),
    dict(variance=[[1.], [1., 2.]]), dict(sizes=[[1, 2]]), dict(photos=True), dict(sha256='x'), dict(measures=['height']*30), dict(measures=['no such measure']), dict(measures=[]), dict(extra=1), dict(rest=[0, 1])], ids=str)
def test_hostile_settings(defect, run, frames, tmp_path, change):
    shutil.copytree(bundle_of(run), tmp_path/'b')
    info = json.loads((tmp_path/'b'/INFO).read_text())
    info['gate'] |= change
    (tmp_path/'b'/INFO).write_text(json.dumps(info))
    refused(defect('predict', tmp_path/'b', frames/'black.png'))

def test_training_says_that_there_are_too_few_photos_for_a_gate(defect, tmp_path):
    rng = np.random.default_rng(0)
    for i in range(12):
        f = tmp_path/'few'/('good' if i < 6 else 'bad')/f'{i}.png'
        f.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (64, 64, 3), dtype=np.uint8)).save(f)
    r = defect('train', tmp_path/'few', '-o', tmp_path/'run', '--method', 'vgg16-gap', '--epochs', 1, '--size', 32, '--no-export', '--valid', 0)
    assert r.returncode == 0 and 'gate: learned from too few good photos' in r.stdout, (r.stdout, r.stderr)
