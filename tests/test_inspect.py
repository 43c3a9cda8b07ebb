"A machine that only inspects: the export that training leaves is taken without asking, and nothing imports torch."
import json, os, shutil, subprocess, sys
import pytest
from conftest import ROOT, refused

for m in ('onnx', 'onnxscript', 'onnxruntime'): pytest.importorskip(m)
HEAVY = 'torch', 'torchvision', 'fastai', 'sklearn', 'matplotlib', 'fastprogress', 'safetensors'
NO_GPU = {**os.environ, 'CUDA_VISIBLE_DEVICES': '-1'}
PROGRAM = '''
import sys
from defect_nbdev.cli.program import main
code = main(sys.argv[2:])
print('imported:', *sorted(set(sys.argv[1].split(',')) & set(sys.modules)))
sys.exit(code)
'''
PAGE = '''
import sys
sys.modules |= dict.fromkeys(sys.argv[1].split(','))          # whatever asks for one of these fails
from defect_nbdev.app.serve import Desk, site
from defect_nbdev.app.page import Page
page = Page(sys.argv[2])
k = page.inspect(sys.argv[3])
print(page.inspector.backend, page.part(k, 0., 0.)['label'], len(page.photo(k)), len(page.heat(k, 0., 0.)))
desk = Desk(lambda: page, 'token')
site(desk.routes(50), page.folder/'uploads', token='token')
assert b'id="verdict"' in desk.home(None).content
'''

@pytest.fixture(scope='module')
def trained(defect, washer, tmp_path_factory):
    "A run as defect train leaves it."
    out = tmp_path_factory.mktemp('trained')/'run'
    r = defect('train', washer, '-o', out, '--size', 96)
    assert r.returncode == 0 and 'exported to ONNX in' in r.stdout, r.stdout + r.stderr
    return out

def program(*args, code=PROGRAM):
    return subprocess.run([sys.executable, '-c', code, ','.join(HEAVY), *map(str, args)], capture_output=True, text=True, env=NO_GPU)

def test_predict_imports_no_torch(trained, washer, tmp_path):
    photo = next((washer/'test/spot').iterdir())
    r = program('predict', trained, photo)
    assert r.returncode == 0 and r.stdout.splitlines()[-1] == 'imported:', r.stdout + r.stderr
    assert r.stderr.startswith('engine: ONNX Runtime') and len(r.stderr.splitlines()) == 1
    r = program('predict', trained, washer/'test', '-o', tmp_path/'out', '--masks', '--heatmaps')
    assert r.returncode == 0 and r.stdout.splitlines()[-1] == 'imported:', r.stdout + r.stderr
    m = json.loads((tmp_path/'out/manifest.json').read_text())
    assert m['backend'] == 'onnx' and m['failed'] == 0

def test_the_test_can_fail(trained, washer):
    "With PyTorch named, the same question gets another answer."
    r = program('predict', trained, next((washer/'test/spot').iterdir()), '--backend', 'torch')
    assert r.returncode == 0 and 'torch' in r.stdout.splitlines()[-1]

def test_watch_imports_no_torch(trained, washer, tmp_path):
    shutil.copytree(washer/'test/spot', tmp_path/'inbox')
    r = program('watch', trained, tmp_path/'inbox', '-o', tmp_path/'out', '--once', '--settle', .1)
    assert r.returncode == 0 and r.stdout.splitlines()[-1] == 'imported:', r.stdout + r.stderr

def test_page_without_torch(trained, washer):
    pytest.importorskip('starlette')
    photo = next((washer/'test/spot').iterdir())
    r = program(trained, photo, code=PAGE)
    assert r.returncode == 0 and r.stdout.startswith('onnx'), r.stdout + r.stderr

def test_same_verdicts(defect, trained, washer, tmp_path, monkeypatch):
    monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '-1')
    for k in ('torch', 'auto'): assert defect('predict', trained, washer, '-o', tmp_path/k, '--backend', k).returncode == 0
    rows = [[l.split(',') for l in (tmp_path/k/'predictions.csv').read_text().splitlines()] for k in ('torch', 'auto')]
    assert [[r[0], r[2], *r[4:9]] for r in rows[0]] == [[r[0], r[2], *r[4:9]] for r in rows[1]]      # path, verdict, boxes
    assert all(abs(float(a[3]) - float(b[3])) < 1e-4 for a, b in zip(rows[0][1:], rows[1][1:]))

def test_what_speaks_against_it(defect, trained, washer, tmp_path, monkeypatch):
    monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '-1')
    photo = next((washer/'test/spot').iterdir())
    def engine(harm):
        d = tmp_path/'run'
        shutil.rmtree(d, ignore_errors=True)
        shutil.copytree(trained, d)
        harm(d/'bundle')
        r = defect('predict', d, photo)
        assert r.returncode == 0, r.stderr
        return r.stderr
    def change(b, f, **kw): (b/f).write_text(json.dumps(json.loads((b/f).read_text()) | kw))
    assert 'ONNX Runtime' in engine(lambda b: None)
    assert 'was not exported' in engine(lambda b: shutil.rmtree(b/'exports'))
    assert 'not the file' in engine(lambda b: (b/'exports/onnx/model.onnx').write_bytes(b'x'))
    assert 'other weights' in engine(lambda b: change(b, 'exports/onnx/export.json', weights_sha256='0'*64))
    assert 'other settings' in engine(lambda b: change(b, 'model.json', size=128))
    assert 'shows the heat' in engine(lambda b: change(b, 'exports/onnx/export.json', explainer='occlusion'))
    d = tmp_path/'weights'
    shutil.copytree(trained, d)
    (d/'bundle/model.safetensors').write_bytes(b'x')
    refused(defect('predict', d, photo), 'SHA-256 differs')          # a bundle that is not whole is not opened by an export either

def test_without_torch_and_without_export(trained, washer, tmp_path):
    d = tmp_path/'run'
    shutil.copytree(trained, d)
    shutil.rmtree(d/'bundle/exports')
    code = 'import sys; sys.modules |= dict.fromkeys(sys.argv[1].split(","))\n' + PROGRAM
    r = program('predict', d, next((washer/'test/spot').iterdir()), code=code)
    assert r.returncode == 2 and 'without PyTorch, which is not installed here' in r.stderr and 'was not exported' in r.stderr, r.stderr

def test_requirements_are_those_of_development():
    "The short lists are made from the long one; PyTorch is in none of them."
    r = subprocess.run([sys.executable, ROOT/'.ci/make_inspect.py', '--check'], capture_output=True, text=True)
    assert r.returncode == 0, r.stderr
    for file in ('requirements-inspect.txt', 'requirements-inspect-app.txt'):
        packages = {l.split('==')[0] for l in (ROOT/file).read_text().splitlines() if '==' in l}
        assert 'onnxruntime' in packages and not packages & {'torch', 'torchvision', 'fastai', 'scikit-learn', 'matplotlib'}
