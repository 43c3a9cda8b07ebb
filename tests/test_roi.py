"A region of interest: what lies outside is neither learned nor judged, by any engine, whatever is there."
import json
from importlib.util import find_spec
import numpy as np, pytest
from PIL import Image, ImageDraw
from conftest import refused
from defect_nbdev.core.errors import UserError
from defect_nbdev.data.images import read_image
from defect_nbdev.data.regions import Region, drawn_region, read_region
from defect_nbdev.data.samples import samples
from defect_nbdev.data.synth import synth_folder
from defect_nbdev.deploy.bundle import load_bundle
from defect_nbdev.deploy.info import load_info
from defect_nbdev.deploy.inspector import Inspector
from defect_nbdev.runs.train import train_run

ROI = '.05,.25 .95,.25 .95,.98 .05,.98'       # A fifth of the height above it is left for a label
QUICK = dict(size=96, steps=30, bar=False, weights='shipped')

def labelled(folder, out, seed):
    "A copy of a data set whose photos have a coloured label with a random text above the part."
    rng = np.random.default_rng(seed)
    for p in sorted(folder.rglob('*.png')):
        to = out/p.relative_to(folder)
        to.parent.mkdir(parents=True, exist_ok=True)
        im = Image.open(p)
        if 'ground_truth' not in p.parts and rng.uniform() < .6: im = with_label(im, rng)
        im.save(to)
    return out

def with_label(im, rng):
    im = im.convert('RGB')
    draw, (w, h) = ImageDraw.Draw(im), im.size
    x = int(rng.integers(w//2))
    draw.rectangle((x, 2, x + w//3, int(.2*h)), fill=tuple(int(v) for v in rng.integers(256, size=3)))
    draw.text((x + 2, 4), str(rng.integers(1000, 9999)), fill='white')
    return im

@pytest.fixture(scope='module')
def photos(tmp_path_factory): return synth_folder(tmp_path_factory.mktemp('roi')/'washer', 14, 6, size=96)

@pytest.fixture(scope='module')
def runs(photos, tmp_path_factory):
    "Two runs: of plain photos, and of photos with labels."
    at = tmp_path_factory.mktemp('roi_runs')
    train_run(photos, at/'plain', roi=ROI, **QUICK)
    train_run(labelled(photos, at/'photos', 0), at/'labelled', roi=ROI, export=False, **QUICK)
    return at

def test_the_bundle_says_where_it_looks(runs):
    info = load_info(runs/'plain')
    assert info['net']['region'] == str(Region.parse(ROI)) and '% of the photo' in info['recipe']['region']
    assert 'looks at' in repr(Inspector(runs/'plain'))
    net, _ = load_bundle(runs/'plain')
    assert net.look.shape == (96, 96) and net.inside.shape == (12, 12) and not net.inside[:3].any()

def test_labels_outside_are_not_learned(runs, photos):
    "Both runs give the same verdicts, although the photos of one had labels, more of them on some parts than on others."
    t = samples(photos, strict=False)
    a, b = [Inspector(runs/k, backend='torch', gate=False).predict(t.path.tolist(), progress=False) for k in ('plain', 'labelled')]
    np.testing.assert_allclose([v.p_anomaly for v in a], [v.p_anomaly for v in b], atol=1e-6)
    assert [v.boxes.tolist() for v in a] == [v.boxes.tolist() for v in b]

@pytest.mark.parametrize('backend', ['torch'] + (['onnx'] if find_spec('onnxruntime') and find_spec('onnxscript') else []))
def test_nothing_outside_changes_a_verdict(runs, photos, backend):
    i, rng = Inspector(runs/'plain', backend=backend, gate=False), np.random.default_rng(1)
    region = i.region.mask((96, 96))
    for p in samples(photos, strict=False).path[::5]:
        im = read_image(p)
        seen, changed = i.predict(im), i.predict(with_label(im, rng))
        assert abs(seen.p_anomaly - changed.p_anomaly) < 1e-6 and (seen.boxes == changed.boxes).all()
        assert not changed.heatmap[~region].any()
        assert not changed.mask()[~region].any()

def test_boxes_lie_inside(runs, photos):
    i = Inspector(runs/'plain', fail_at=0., review_at=0.)
    boxes = np.concatenate([i.predict(p).boxes for p in samples(photos, strict=False).path[::3]])
    x0, y0, x1, y1 = boxes.T
    assert len(boxes) and y0.min() >= 24 and x0.min() >= 5 and x1.max() <= 91 and y1.max() <= 94

def test_a_photo_of_another_size(runs, photos):
    i = Inspector(runs/'plain', gate=False)
    im = read_image(samples(photos, strict=False).path[0]).resize((192, 192))
    v = i.predict(im)
    assert v.heatmap.shape == (192, 192) and not v.heatmap[:48].any()

def test_report_and_files(defect, runs, photos, tmp_path):
    assert '% of the photo' in (runs/'plain/report.html').read_text()
    r = defect('predict', runs/'plain', photos/'test', '-o', tmp_path/'out', '--overlays')
    assert r.returncode == 0, r.stderr
    assert json.loads((tmp_path/'out/run.json').read_text())['region'] == str(Region.parse(ROI))

def test_spec_in_pixels_and_mask_are_the_same_region(photos, tmp_path):
    paths = samples(photos, strict=False).path
    m = Image.new('L', (96, 96))
    ImageDraw.Draw(m).rectangle((10, 30, 89, 89), fill=255)
    m.save(tmp_path/'roi.png')
    a, b, c = [read_region(s, paths).mask((96, 96)) for s in ('10,30,90,90', str(tmp_path/'roi.png'), drawn_region([[90, 90], [10, 30]], [96, 96]))]
    assert (a == b).all() and a.sum() == 80*60 and abs(int(c.sum()) - int(a.sum())) < 200

def test_tiles_and_few_photos(photos, tmp_path):
    "Good parts alone, in tiles, with a mask."
    good = tmp_path/'good'
    good.mkdir()
    for p in sorted(photos.rglob('good/*.png')): Image.open(p).resize((192, 192)).save(good/f'{p.parent.parent.name}_{p.name}')
    mask = np.hypot(*np.mgrid[-47:49, -47:49]) < 40
    Image.fromarray(mask).save(tmp_path/'roi.png')
    train_run(good, tmp_path/'run', roi=tmp_path/'roi.png', tiles=(2, 2), export=False, **QUICK)
    v = Inspector(tmp_path/'run', gate=False, fail_at=0., review_at=0.).predict(next(good.iterdir()))
    assert v.raw.shape == (32, 32) and not v.heatmap[0].any() and not v.heatmap[:, 0].any()

@pytest.mark.parametrize('spec, words', [
    ('10,30,90,500', ('beyond the photos', '96x96')), ('.1,30,90,90', ('mixes pixels with shares',)),
    ('0,0 1,1 1,0 0,1', ('crosses itself',)), ('30,30,20,40', ('is empty',)), ('gone.png', ('no file and no list',)),
    ('0,0,.01,.01', ('covers', 'patches', 'larger')), ('1,2 3,4', ('three corners',))])
def test_what_is_refused(defect, photos, tmp_path, spec, words):
    r = defect('train', photos, '-o', tmp_path/'run', '--roi', spec, '--size', 96)
    refused(r, *words)
    assert not (tmp_path/'run').exists()

def test_a_mask_of_another_shape(defect, photos, tmp_path):
    Image.new('L', (200, 96), 255).save(tmp_path/'roi.png')
    refused(defect('train', photos, '-o', tmp_path/'run', '--roi', tmp_path/'roi.png'), 'roi.png is 200x96', 'another shape')

def test_other_methods_say_that_they_cannot(defect, photos, tmp_path):
    refused(defect('train', photos, '-o', tmp_path/'run', '--method', 'vgg16-gap', '--roi', ROI), '--roi is for --method patch')
    with pytest.raises(UserError, match='always looks at whole photos'): train_run(photos, tmp_path/'run', 'vgg16-gap', roi=ROI, bar=False)
    with pytest.raises(UserError, match='stays where it is'): train_run(photos, tmp_path/'run', roi=ROI, turned=True, **QUICK)

def test_a_bundle_without_masks_still_loads(runs, photos, tmp_path):
    "Older bundles have no such buffers; they look everywhere."
    from defect_nbdev.models.patch import PatchNet
    net = PatchNet(bank=4, folds=2)
    old = {k: v for k, v in net.state_dict().items() if k not in ('look', 'inside')}
    other = PatchNet(bank=4, folds=2)
    other.load_state_dict(old)
    assert other.inside.all() and other.look.all()
