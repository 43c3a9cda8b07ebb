"Exports: what agrees is kept, what does not is refused, nothing leaves the machine."
import json, os, shutil, subprocess, sys
from pathlib import Path
import pytest
from conftest import refused

for m in ('onnxscript', 'onnxruntime', 'openvino', 'nncf'): pytest.importorskip(m)
LISTEN = '''
import os, socket
def refuse(*a, **k):
    if not (a and isinstance(a[0], socket.socket) and a[0].family == socket.AF_UNIX): open(os.environ['CALLS'], 'a').write(repr(a[:1]) + '\\n'); raise OSError('no network in this test')
socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = socket.create_connection = refuse
'''

@pytest.fixture(scope='module')
def exported(defect, run, tmp_path_factory):
    "A copy of the run, with an export."
    out = tmp_path_factory.mktemp('exported')/'run'
    shutil.copytree(run, out)
    r = defect('export', out, '--to', 'onnx', '-n', 12)
    assert r.returncode == 0, r.stderr
    assert '0 verdicts differ' in r.stdout
    return out

def rows(folder): return (folder/'predictions.csv').read_text().splitlines()

def test_the_same_rows(defect, exported, washer, tmp_path):
    for name, args in dict(a=('--backend', 'torch'), b=('--backend', 'onnx')).items(): assert defect('predict', exported, washer, '-o', tmp_path/name, '--heatmaps', *args).returncode == 0
    a, b = [rows(tmp_path/n) for n in 'ab']
    cut = lambda l: [v for i, v in enumerate(l.split(',')) if i not in (3, 9)]
    assert [cut(l) for l in a] == [cut(l) for l in b]                          # all but the sixth digit of p and of the box score
    assert len(list((tmp_path/'b/heatmaps').iterdir())) == len(a) - 1
    assert '"schema"' in (exported/'bundle/exports/onnx/export.json').read_text() and defect('test', exported, washer, '--backend', 'onnx').returncode == 0

def test_exports_that_do_not_belong(defect, exported, washer, tmp_path):
    photo = next((washer/'test/spot').iterdir())
    use = lambda d: defect('predict', d, photo, '--backend', 'onnx')
    refused(defect('predict', exported, photo, '--backend', 'openvino'), 'was not exported', 'defect export')
    for name, harm, word in [('cut', lambda e: (e/'model.onnx').write_bytes((e/'model.onnx').read_bytes()[:1000]), 'not the file'), ('text', lambda e: (e/'export.json').write_text('{'), 'damaged'),
                             ('escape', lambda e: (e/'export.json').write_text((e/'export.json').read_text().replace('"model.onnx"', '"../../model.json"')), 'damaged')]:
        d = tmp_path/name
        shutil.copytree(exported, d)
        harm(d/'bundle/exports/onnx')
        refused(use(d), word)
    d = tmp_path/'other'
    shutil.copytree(exported, d)
    f = d/'bundle/exports/onnx/export.json'
    f.write_text(f.read_text().replace('"weights_sha256": "', '"weights_sha256": "0'))
    refused(use(d), 'other weights')

def test_thresholds_that_part_the_two(defect, exported, washer, tmp_path):
    d = tmp_path/'run'
    shutil.copytree(exported, d)
    f = d/'bundle/exports/onnx/export.json'
    r = json.loads(f.read_text())
    p = r['parity']
    i = p['label'].index('anomaly')
    p['p'][i], p['p_exported'][i] = .90002, .89999
    f.write_text(json.dumps(r))
    photo = next((washer/'test/spot').iterdir())
    assert defect('predict', d, photo, '--backend', 'onnx').returncode == 0    # at the model's own threshold both fail it
    refused(defect('predict', d, photo, '--backend', 'onnx', '--threshold', .9), 'does not agree')

def test_odd_wishes(defect, exported, washer, tmp_path):
    refused(defect('export', tmp_path, '--to', 'onnx'), 'no model bundle')
    refused(defect('export', exported, '--to', 'onnx', '--photos', tmp_path/'nowhere'), '--photos')
    refused(defect('export', exported, '--to', 'onnx', '--explainer', 'shap'), 'cannot be exported')
    refused(defect('export', exported, '--to', 'onnx', '--layer', 'conv4_3'), '--explainer')
    refused(defect('export', exported, '--to', 'onnx', '--explainer', 'smile'), 'choose from cam')
    refused(defect('export', exported, '--to', 'onnx', '--explainer', 'layercam', '--layer', 'conv9'), 'There is no layer')
    refused(defect('report', exported, washer, '-o', tmp_path/'r.html', '--backend', 'onnx', '--faithful', 1), '--backend')
    assert (exported/'bundle/exports/onnx/model.onnx').is_file() and not (exported/'bundle/exports/openvino').exists()

def test_nothing_leaves_the_machine(exported, washer, tmp_path):
    "openvino and nncf would tell an analytics server that they were imported."
    (tmp_path/'listen').mkdir()
    (tmp_path/'listen/sitecustomize.py').write_text(LISTEN)
    (tmp_path/'home').mkdir()
    env = {**os.environ, 'PYTHONPATH': str(tmp_path/'listen'), 'CALLS': str(tmp_path/'calls'), 'HOME': str(tmp_path/'home')}
    env.pop('NNCF_CI', None)
    exe = Path(sys.executable).parent/'defect'
    d = tmp_path/'run'
    shutil.copytree(exported, d)
    r = subprocess.run([exe, 'export', d, '--to', 'openvino-int8', '-n', '12'], env=env, capture_output=True, text=True)
    assert r.returncode == 0 or r.returncode == 2 and 'was thrown away' in r.stderr, r.stderr      # one epoch of training: 8 bits may not be enough
    calls = (tmp_path/'calls').read_text() if (tmp_path/'calls').exists() else ''
    assert calls == '' and [p.name for p in (tmp_path/'home').iterdir() if 'intel' in p.name] == []
    if r.returncode == 0: assert subprocess.run([exe, 'predict', d, next((washer/'test/spot').iterdir()), '--backend', 'openvino-int8'], env=env, capture_output=True).returncode == 0
