"Parts at any angle are turned and shifted onto the mean good part; all that people see stays in the photo's own frame."
import json, shutil
from importlib.util import find_spec
import numpy as np, pandas as pd, pytest
from PIL import Image, ImageDraw
from conftest import ROOT, refused
from defect_nbdev.data.images import read_image
from defect_nbdev.data.samples import samples
from defect_nbdev.deploy.info import load_info
from defect_nbdev.deploy.inspector import Inspector
from defect_nbdev.runs.train import folds_run, train_run

SIDE = 144
QUICK = dict(size=96, steps=60, bar=False, weights='shipped')
ENGINES = ['torch'] + (['onnx'] if find_spec('onnxruntime') and find_spec('onnxscript') else [])

def drawn(rng, bad):
    "A plate with one thick end and holes, perhaps with a dark spot, and the mask of the spot."
    im, mask = Image.new('L', (SIDE, SIDE), 60), Image.new('L', (SIDE, SIDE))
    draw = ImageDraw.Draw(im)
    draw.rectangle((32, 60, 112, 84), fill=170)
    draw.rectangle((32, 48, 52, 96), fill=200)
    for x in (66, 80, 94): draw.ellipse((x, 68, x + 7, 75), fill=90)
    if bad:
        x, y = rng.integers(58, 100), rng.choice([62, 77])
        for d, fill in ((draw, 20), (ImageDraw.Draw(mask), 255)): d.ellipse((x, y, x + 9, y + 6), fill=fill)
    return im, mask

def save(im, file):
    file.parent.mkdir(parents=True, exist_ok=True)
    im.save(file)

def parts(folder, n_good, n_bad, loose, seed=0):
    "Photos in MVTec's layout, of parts as they fell or as in a fixture."
    rng = np.random.default_rng(seed)
    for i in range(n_good + n_bad):
        bad = i >= n_good
        im, mask = drawn(rng, bad)
        angle, move = (rng.uniform(0, 360), tuple(rng.uniform(-10, 10, 2))) if loose else (0, (0, 0))
        im = im.rotate(angle, Image.BICUBIC, translate=move, fillcolor=60)
        a = np.asarray(im) + rng.normal(0, 4, (SIDE, SIDE))
        photo = Image.fromarray(a.clip(0, 255).astype(np.uint8)).convert('RGB')
        save(photo, folder/('test/spot' if bad else 'train/good')/f'{i:03}.png')
        if bad: save(mask.rotate(angle, Image.NEAREST, translate=move), folder/f'ground_truth/spot/{i:03}_mask.png')
    return folder

@pytest.fixture(scope='module')
def fallen(tmp_path_factory): return parts(tmp_path_factory.mktemp('align')/'fallen', 16, 10, True)

@pytest.fixture(scope='module')
def fixed(tmp_path_factory): return parts(tmp_path_factory.mktemp('align')/'fixed', 12, 6, False)

@pytest.fixture(scope='module')
def run(fallen, tmp_path_factory):
    out = tmp_path_factory.mktemp('align_runs')/'fallen'
    train_run(fallen, out, **QUICK)
    return out

def test_it_is_measured_told_and_kept(defect, fallen, tmp_path):
    r = defect('train', fallen, '-o', tmp_path/'run', '--size', 64, '--no-export')
    assert r.returncode == 0, r.stderr
    assert 'photos are turned and shifted onto the mean good part: detail in common' in r.stdout
    info = load_info(tmp_path/'run')
    assert info['recipe']['turned'] == 0 and '->' in info['recipe']['align'] and info['net']['part']
    assert 'mean good part' in repr(Inspector(tmp_path/'run'))

def test_heat_and_boxes_lie_on_the_defect(run, fallen):
    t = samples(fallen)
    bad = t[t.label == 'anomaly']
    vs = Inspector(run, gate=False, fail_at=0., review_at=0.).predict(bad.path.tolist(), progress=False)
    assert max(abs(v.pose.angle) for v in vs) > 20
    hit = boxed = 0
    for v, file in zip(vs, bad.mask_path):
        y, x = np.nonzero(np.asarray(Image.open(file)))
        top, left = np.unravel_index(v.heatmap.argmax(), v.heatmap.shape)
        hit += np.hypot(top - y.mean(), left - x.mean()) < 12
        x0, y0, x1, y1 = v.boxes[0] if len(v.boxes) else (0, 0, 0, 0)
        boxed += x0 <= x.mean() < x1 and y0 <= y.mean() < y1
    assert hit >= 8 and boxed >= 7, (hit, boxed)

def test_the_same_part_turned_gets_the_same_verdict(run, fallen):
    t, i = samples(fallen), Inspector(run, gate=False)
    for p in t.path[::6]:
        im = read_image(p)
        seen, turned = i.predict(im), i.predict(im.rotate(90))
        assert abs(seen.p_anomaly - turned.p_anomaly) < .15
        assert abs((turned.pose.angle - seen.pose.angle + 180) % 360 - 180 - 90) < 2

@pytest.mark.skipif('onnx' not in ENGINES, reason='ONNX is not installed')
def test_every_engine_gives_the_same(run, fallen):
    paths = samples(fallen).path.tolist()[::3]
    by_torch, by_onnx = [Inspector(run, backend=b, fail_at=.3, review_at=.3).predict(paths, progress=False) for b in ENGINES]
    for a, b in zip(by_torch, by_onnx):
        assert a.label == b.label and abs(a.p_anomaly - b.p_anomaly) < 1e-3 and a.pose == b.pose
        np.testing.assert_allclose(a.raw, b.raw, atol=1e-2)
        assert len(a.boxes) == len(b.boxes) and (not len(a.boxes) or np.abs(a.boxes - b.boxes).max() <= 2)

def test_a_photo_that_does_not_fit(run):
    other = np.random.default_rng(0).integers(0, 255, (SIDE, SIDE, 3), np.uint8)
    v = Inspector(run, gate=False).predict(other)
    assert v.label == 'REVIEW' and 'fits the mean good part by' in v.unlike and 'judged as it lies' in v.unlike
    assert not v.pose.trusted and not v.pose.moves

def test_a_photo_of_another_size_and_shape(run, fallen):
    "Another resolution is the same part; another framing shows it smaller, so a person looks."
    im = read_image(samples(fallen).path[0])
    wide = Image.new('RGB', (SIDE*3//2, SIDE), (60, 60, 60))
    wide.paste(im, (SIDE//4, 0))
    i = Inspector(run, gate=False)
    a, b, c = map(i.predict, (im, im.resize((2*SIDE, 2*SIDE)), wide))
    assert abs((a.pose.angle - b.pose.angle + 180) % 360 - 180) < 2
    assert b.heatmap.shape == (2*SIDE, 2*SIDE)
    assert c.label == 'REVIEW' and not c.pose.moves and c.heatmap.shape == (SIDE, SIDE*3//2)

def test_parts_in_a_fixture_stay_as_they_are(fixed, tmp_path, capsys):
    train_run(fixed, tmp_path/'run', export=False, **QUICK | dict(bar=True))
    assert 'mean good part' not in capsys.readouterr().out
    assert 'part' not in load_info(tmp_path/'run')['net'] and Inspector(tmp_path/'run').part is None

def test_it_can_be_forced_and_forbidden(fixed, fallen, tmp_path):
    train_run(fixed, tmp_path/'forced', align=True, export=False, **QUICK)
    train_run(fallen, tmp_path/'never', align=False, export=False, **QUICK)
    assert load_info(tmp_path/'forced')['net']['part']
    never = load_info(tmp_path/'never')
    assert 'part' not in never['net'] and never['recipe']['turned'] > 0        # then turned copies stand in, as before
    v = Inspector(tmp_path/'forced', gate=False).predict(samples(fixed).path[0])
    assert abs(v.pose.angle) < 2 and v.pose.trusted

def test_what_is_refused(defect, fixed, tmp_path):
    def run(*more): return defect('train', fixed, '-o', tmp_path/'run', *more)
    refused(run('--align', 'always', '--roi', '.1,.1,.9,.9'), '--align always', '--roi')
    refused(run('--align', 'always', '--turned', 'always'), 'all lie one way')
    refused(run('--align', 'always', '--method', 'vgg16-gap'), '--align is for --method patch')
    surface = tmp_path/'surface'
    for i in range(12): save(Image.fromarray(np.random.default_rng(i).integers(0, 255, (64, 64), np.uint8)), surface/'good'/f'{i}.png')
    refused(defect('train', surface, '-o', tmp_path/'run', '--align', 'always', '--size', 64), 'no part in common')
    assert not (tmp_path/'run').exists()

def test_a_region_or_turned_copies_switch_it_off(fallen, tmp_path):
    for k, how in (('region', dict(roi='.1,.1,.9,.9')), ('turned', dict(turned=True))):
        train_run(fallen, tmp_path/k, export=False, **QUICK | dict(steps=30), **how)
        assert 'part' not in load_info(tmp_path/k)['net']

def test_each_fold_has_a_mean_part_of_its_own(fallen, tmp_path):
    "Folds share frozen features only where they were made with the same mean part."
    r = folds_run(fallen, tmp_path/'folds', k=2, cache_dir=tmp_path/'cache', **QUICK | dict(steps=30))
    assert len(r['folds']) == 2 and len(list((tmp_path/'cache').iterdir())) == 2

def test_tiles_and_good_parts_alone(fallen, tmp_path):
    good = tmp_path/'good'
    good.mkdir()
    for p in sorted(fallen.rglob('good/*.png')): Image.open(p).resize((192, 192)).save(good/p.name)
    train_run(good, tmp_path/'run', tiles=(2, 2), export=False, **QUICK | dict(steps=30))
    v = Inspector(tmp_path/'run', gate=False, fail_at=0., review_at=0.).predict(next(good.iterdir()))
    assert load_info(tmp_path/'run')['net']['part'] and v.raw.shape == (32, 32)

def test_a_damaged_mean_part_is_refused(defect, run, fallen, tmp_path):
    bundle = shutil.copytree(run/'bundle', tmp_path/'bundle')
    info = json.loads((bundle/'model.json').read_text())
    info['net']['part'] = info['net']['part'][:100]
    (bundle/'model.json').write_text(json.dumps(info))
    refused(defect('predict', bundle, next(fallen.rglob('*.png'))), 'The mean part', 'damaged')

def test_an_older_bundle_stays_as_it_is():
    from defect_nbdev.deploy.info import bundle_of
    old = next((ROOT/'tests/old_bundle').rglob('model.json')).parent
    assert Inspector(bundle_of(old)).part is None

def test_files_of_a_run(defect, run, fallen, tmp_path):
    r = defect('predict', run, fallen/'test', '-o', tmp_path/'out', '--overlays')
    assert r.returncode == 0, r.stderr
    assert len(pd.read_csv(tmp_path/'out/predictions.csv')) == 10
    assert len(list((tmp_path/'out/overlays').iterdir())) == 10
