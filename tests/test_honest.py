"The same twice to the bit, and nothing of the test photos in what is trained."
import json, shutil
import numpy as np, pandas as pd, pytest
from PIL import Image

METHODS = dict(gap=['--method', 'vgg16-gap', '--epochs', 2, '--size', 64], patch=['--method', 'patch', '--size', 64], adacos=['--method', 'adacos', '--backbone', 'vgg16', '--size', 64, '--epochs', 2])

def what_was_learned(run):
    i = json.loads((run/'bundle/model.json').read_text())
    return (run/'bundle/model.safetensors').read_bytes(), {k: i[k] for k in ('net', 'temperature', 'thresholds', 'heat_scale', 'box_rule', 'validation', 'weights_sha256')}, i['data']['fingerprint']

@pytest.mark.parametrize('method', METHODS)
def test_same_twice_and_no_leak(defect, program, washer, tmp_path, method):
    data = tmp_path/'washer'
    shutil.copytree(washer, data)
    def train(name, run=defect):
        r = run('train', data, '-o', tmp_path/name, '--seed', 3, '--no-export', *METHODS[method])
        assert r.returncode == 0, r.stderr
        return tmp_path/name
    a, b = train('a'), train('b', program)                                # the second in a process of its own
    assert what_was_learned(a) == what_was_learned(b)
    for f in ('predictions.csv', 'coco.json'): assert (a/f).read_bytes() == (b/f).read_bytes(), f
    rnd, test = np.random.default_rng(0), pd.read_csv(a/'predictions.csv')
    for p in test.path: Image.fromarray(rnd.integers(0, 255, (128, 128, 3), np.uint8)).save(p)       # whatever the test photos show ...
    for m in (data/'ground_truth').rglob('*.png'): Image.new('L', Image.open(m).size).save(m)        # ... and wherever their defects are
    c = train('c')
    assert what_was_learned(a) == what_was_learned(c)
    assert pd.read_csv(c/'predictions.csv').path.tolist() == test.path.tolist() and pd.read_csv(c/'predictions.csv').p_anomaly.tolist() != test.p_anomaly.tolist()
