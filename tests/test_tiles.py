"Large photos in tiles, and parts at any angle, from the command line to the verdict."
import json, shutil
import numpy as np, pandas as pd, pytest
from conftest import refused
from PIL import Image
from defect_nbdev.deploy.inspector import Inspector

@pytest.fixture(scope='module')
def large(tmp_path_factory):
    from defect_nbdev.data.synth import synth_folder
    return synth_folder(tmp_path_factory.mktemp('data')/'large', 16, 8, size=320)

@pytest.fixture(scope='module')
def tiled(defect, large, tmp_path_factory):
    out = tmp_path_factory.mktemp('runs')/'tiled'
    r = defect('train', large, '-o', out, '--size', 96, '--tiles', '2x2')
    assert r.returncode == 0, r.stderr
    assert 'input 128 x 128 px (height x width), in 2 x 2 tiles of 96 x 96 px' in r.stdout
    return out

def test_tiles_reach_every_engine(tiled, large):
    info = json.loads((tiled/'bundle/model.json').read_text())
    assert info['net']['tiles'] == [2, 2] and info['size'] == [128, 128]
    photos = [str(p) for p in sorted((large/'test').rglob('*.png'))[:6]]
    by_torch, by_onnx = [Inspector(tiled, backend=b).predict(photos, progress=False) for b in ('torch', 'onnx')]
    for a, b in zip(by_torch, by_onnx):
        assert a.label == b.label and abs(a.p_anomaly - b.p_anomaly) < 1e-3
        assert a.raw.shape == (32, 32)                   # 4 px of the joined input from one place to the next
        np.testing.assert_allclose(a.raw, b.raw, atol=1e-2)

def test_a_damaged_tiling_is_refused(defect, tiled, large, tmp_path):
    bundle = shutil.copytree(tiled/'bundle', tmp_path/'bundle')
    info = json.loads((bundle/'model.json').read_text())
    info['net']['tiles'] = [3, 3]
    (bundle/'model.json').write_text(json.dumps(info))
    photo = next((large/'test').rglob('*.png'))
    refused(defect('predict', bundle, photo, '--backend', 'torch'), 'cannot be cut into 3 tiles')

@pytest.mark.parametrize('wrong', ['2', '0x2', '9x9', '2x', 'many', '2x2x2', '2.5x2'])
def test_odd_tiles(defect, large, tmp_path, wrong):
    refused(defect('train', large, '-o', tmp_path/'x', '--tiles', wrong), '--tiles', 'auto or ROWSxCOLUMNS')
    assert not list(tmp_path.iterdir())

def test_tiles_too_small_or_too_many(defect, large, tmp_path):
    refused(defect('train', large, '-o', tmp_path/'x', '--size', 64, '--tiles', '2x2'), 'too small', '--size 96')
    refused(defect('train', large, '-o', tmp_path/'x', '--size', 1024, '--tiles', '8x8'), '4096', 'fewer tiles')

def test_turned(defect, tmp_path):
    "Parts at any angle are noticed; --turned never leaves the copies away."
    rng = np.random.default_rng(0)
    for label, n in (('good', 10), ('bad', 6)):
        (tmp_path/'bars'/label).mkdir(parents=True)
        for i in range(n):
            bar = np.full((96, 96), 30, np.uint8)
            bar[40:56, 16:80] = 200
            if label == 'bad': bar[40:56, 40:48] = 90
            img = Image.fromarray(bar).rotate(int(rng.integers(360)), fillcolor=30)
            noise = rng.integers(0, 20, (96, 96))
            Image.fromarray((np.asarray(img) + noise).astype(np.uint8)).save(tmp_path/'bars'/label/f'{i}.png')
    copies = {}
    for turned in ('auto', 'never'):
        r = defect('train', tmp_path/'bars', '-o', tmp_path/turned, '--size', 64, '--no-export', '--align', 'never', '--turned', turned)
        assert r.returncode == 0, r.stderr
        copies[turned] = json.loads((tmp_path/turned/'bundle/model.json').read_text())['recipe']['turned']
        assert ('parts lie at any angle' in r.stdout) == (turned == 'auto')
        assert len(pd.read_csv(tmp_path/turned/'predictions.csv')) == 3          # copies are learned from, and never tested
    assert copies['never'] == 0 and copies['auto'] == 3*13
