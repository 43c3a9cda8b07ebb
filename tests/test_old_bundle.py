"A bundle of version 0.1.0 (schema 1, stored here) still gives its verdicts."
import json, shutil
from pathlib import Path
import pytest
from defect_nbdev.deploy.bundle import set_thresholds
from defect_nbdev.deploy.info import load_info
from defect_nbdev.deploy.inspector import Inspector

OLD = Path(__file__).parent/'old_bundle'

def test_file_is_of_the_old_schema():
    info = json.loads((OLD/'model.json').read_text())
    assert info['schema'] == 1 and 'boxes' in info and 'fail' in info['thresholds']

@pytest.mark.parametrize('e', json.loads((OLD/'expected.json').read_text()), ids=lambda e: e['photo'])
def test_same_verdicts(e):
    v = Inspector(OLD, device='cpu').predict(OLD/e['photo'])
    assert v.label == e['verdict'] and abs(v.p_anomaly - e['p']) < .02
    assert v.boxes.tolist() == e['boxes']

def test_new_thresholds_make_it_new(tmp_path):
    shutil.copytree(OLD, tmp_path/'bundle')
    set_thresholds(tmp_path/'bundle', fail_at=.5)
    info = json.loads((tmp_path/'bundle/model.json').read_text())
    assert info['schema'] == 2 and info['thresholds']['fail_at'] == .5 and 'boxes' not in info
    assert load_info(tmp_path/'bundle') == info
