"Copies by a touched camera, and averaged weights, from the command line to the model card."
import json
import numpy as np, pandas as pd, pytest
from conftest import refused
from defect_nbdev.data.camera import TOUCHED, touched
from defect_nbdev.data.images import read_image
from defect_nbdev.data.samples import samples
from defect_nbdev.data.split import split
from defect_nbdev.deploy.inspector import Inspector
from defect_nbdev.train.patch import fit_patches

QUICK = dict(size=96, steps=20, bank=50, folds=2, bar=False)

def info_of(run): return json.loads((run/'bundle/model.json').read_text())

@pytest.fixture(scope='module')
def washer(tmp_path_factory):
    from defect_nbdev.data.synth import synth_folder
    return synth_folder(tmp_path_factory.mktemp('data')/'washer', 50, 16, size=160)

@pytest.fixture(scope='module')
def runs(defect, washer, tmp_path_factory):
    out = tmp_path_factory.mktemp('runs')
    for name, more in dict(as_taken=[], copies=['--touched']).items():
        r = defect('train', washer, '-o', out/name, '--size', 96, '--no-export', *more)
        assert r.returncode == 0, r.stderr
        assert ('copies by a touched camera too' in r.stdout) == bool(more)
    return out

def test_copies_are_learned_from_and_never_tested(runs):
    info, other = info_of(runs/'copies'), info_of(runs/'as_taken')
    n = sum(info['data']['parts']['train'].values())
    assert info['recipe']['touched'] == n and other['recipe']['touched'] == 0
    assert info['gate']['photos'] == other['gate']['photos'] == n
    assert len(info['gate']['good']) == 2*len(other['gate']['good'])
    assert info['data']['parts'] == other['data']['parts']
    tested = [pd.read_csv(runs/name/'predictions.csv').path.tolist() for name in ('as_taken', 'copies')]
    assert tested[0] == tested[1]

def test_the_card_tells_it(runs):
    assert 'touched camera' in (runs/'copies/model_card.md').read_text(encoding='utf-8')
    assert 'touched camera' not in (runs/'as_taken/model_card.md').read_text(encoding='utf-8')

def test_fewer_changed_photos_go_to_a_person(runs):
    "Good test photos under changes that the model has seen."
    t = pd.read_csv(runs/'copies/predictions.csv')
    photos = [read_image(p) for p in t[t.label == 'good'].path]
    assert len(photos) >= 8
    stopped = {}
    for name in ('as_taken', 'copies'):
        i = Inspector(runs/name, backend='torch')
        stopped[name] = np.mean([bool(i.predict(touched(im, k)).unlike) for im in photos for k in range(len(TOUCHED))])
    assert stopped['copies'] < .5*stopped['as_taken'], stopped

@pytest.mark.parametrize('more', [dict(turned=True), dict(align=True), dict(roi='.1,.1,.9,.9'), dict(tiles='auto')], ids=str)
def test_with_other_settings(washer, more):
    t = split(samples(washer).groupby('label').head(12), test=.2, valid=0.)
    learn = fit_patches(t, touched=True, **QUICK, **more)
    n = (t.split != 'test').sum()
    assert learn.recipe['touched'] == len(learn.validation) == n

def test_features_in_files_are_found_again(washer, tmp_path):
    t = split(samples(washer).groupby('label').head(10), test=.2, valid=0.)
    first = fit_patches(t, touched=True, cache_dir=tmp_path, **QUICK)
    files = {f: f.stat().st_mtime_ns for f in tmp_path.rglob('*.safetensors')}
    again = fit_patches(t, touched=True, cache_dir=tmp_path, **QUICK)
    assert files == {f: f.stat().st_mtime_ns for f in tmp_path.rglob('*.safetensors')}
    np.testing.assert_array_equal(first.validation.p, again.validation.p)

def test_other_methods_have_no_copies(defect, washer, tmp_path):
    refused(defect('train', washer, '-o', tmp_path/'x', '--method', 'vgg16-gap', '--touched'), '--touched is for --method patch')
    assert not list(tmp_path.iterdir())

def test_averaged_weights(defect, washer, tmp_path):
    quick = '--method', 'vgg16-gap', '--weights', 'none', '--backbone', 'resnet18', '--size', 64, '--epochs', 1, '--no-export'
    refused(defect('train', washer, '-o', tmp_path/'x', *quick, '--average', '--stop', 'valid'), 'leave one away')
    assert not list(tmp_path.iterdir())
    r = defect('train', washer, '-o', tmp_path/'x', *quick, '--average')
    assert r.returncode == 0, r.stderr
    assert info_of(tmp_path/'x')['recipe']['average'] is True
    refused(defect('train', washer, '-o', tmp_path/'y', '--average'), '--average is for --method vgg16-gap')
