"Begin with good parts alone: train, bound, verdicts, the first anomalies."
import json, shutil
import numpy as np, pytest
from defect_nbdev.data.samples import samples
from defect_nbdev.data.synth import synth_folder
from defect_nbdev.deploy.info import load_info
from defect_nbdev.metrics.rules import upper_bound

@pytest.fixture(scope='module')
def washers(tmp_path_factory):
    "24 good photos in a plain folder, and 16 anomalies beside it."
    d = tmp_path_factory.mktemp('good')
    t = samples(synth_folder(d/'all', 24, 16, size=128, seed=3))
    for label, to in (('good', 'good'), ('anomaly', 'bad')):
        (d/to).mkdir()
        for i, p in enumerate(t.path[t.label == label]): shutil.copy(p, d/to/f'{i:03}.png')
    return d

@pytest.fixture(scope='module')
def begun(defect, washers):
    "A run from good parts alone."
    r = defect('train', washers/'good', '-o', washers/'run', '--size', 128, '--no-export')
    assert r.returncode == 0, r.stderr
    return washers/'run', r.stdout

def test_what_is_said(begun):
    run, said = begun
    assert 'all of them are taken as good parts' in said and 'good = good (24), anomaly = none' in said
    t, v = load_info(run)['thresholds'], load_info(run)['validation']
    n = len(v['p'])
    assert set(v['label']) == {'good'} and n + 5 == 24
    assert t['fail_at'] == .5 and t['review_at'] < .5 and t['fp'] == 0 == (np.array(v['p']) >= .5).sum()
    assert t['overkill_bound'] == pytest.approx(upper_bound(0, n)) and f"{100*t['overkill_bound']:.3g} %" in said
    assert (run/'report.html').exists() and json.loads((run/'metrics.json').read_text())['auroc'] is None

def verdicts(defect, run, photos, out):
    r = defect('predict', run, photos, '-o', out)
    assert r.returncode in (0, 1), r.stderr
    import pandas as pd
    return pd.read_csv(out/'predictions.csv')

def test_it_tells_anomalies(defect, begun, washers, tmp_path):
    bad, good = verdicts(defect, begun[0], washers/'bad', tmp_path/'b'), verdicts(defect, begun[0], washers/'good', tmp_path/'g')
    assert (bad.verdict != 'PASS').mean() > .6 and (good.verdict == 'PASS').mean() > .8
    assert bad.p_anomaly.mean() > good.p_anomaly.mean() + .2

def test_no_overkill_limit_above_all_scores(defect, begun, washers):
    "A threshold by overkill lies just above the good parts, where anomalies begin, and not at 1."
    r = defect('threshold', begun[0], '--max-overkill', '20%', '--dry-run')
    assert r.returncode == 0, r.stderr
    at = float(r.stdout.split('FAIL from')[0].split('PASS below')[1].split(',')[0])
    assert at < .6

def test_the_first_anomalies(defect, begun, washers, tmp_path):
    photos = tmp_path/'photos'
    shutil.copytree(washers/'good', photos/'good')
    (photos/'bad').mkdir()
    for p in sorted((washers/'bad').iterdir())[:3]: shutil.copy(p, photos/'bad')
    r = defect('train', photos, '-o', tmp_path/'run', '--size', 128, '--no-export')
    assert r.returncode == 0, r.stderr
    assert 'least populated' not in r.stderr
    v = load_info(tmp_path/'run')['validation']
    assert v['label'].count('anomaly') == 3 and 'test 5 (5 good, 0 anomaly)' in r.stdout
    assert load_info(begun[0])['thresholds']['review_at'] < .5 > load_info(tmp_path/'run')['thresholds']['review_at']

def test_other_methods_need_anomalies(defect, washers, tmp_path):
    r = defect('train', washers/'good', '-o', tmp_path/'x', '--method', 'vgg16-gap')
    assert r.returncode == 2 and 'say which are good' in r.stderr
