"Weights from a stick: found by every training, carried by the bundle, refused with one sentence."
import json, os, resource, shutil, socket, subprocess, sys
from pathlib import Path
import pytest, torch, torchvision
from conftest import refused
from defect_nbdev.core.files import sha256

def stick(folder, o, name):
    "Save as torchvision would: the hash is in the name."
    torch.save(o, folder/'new')
    return (folder/'new').rename(folder/f"{name}-{sha256(folder/'new')[:8]}.pth")

@pytest.fixture(scope='module')
def resnet(tmp_path_factory):
    torch.manual_seed(0)
    return stick(tmp_path_factory.mktemp('stick'), torchvision.models.resnet18().state_dict(), 'resnet18')

@pytest.fixture
def kept(tmp_path, monkeypatch):
    "The folder of added weights."
    monkeypatch.setenv('DEFECT_WEIGHTS', str(tmp_path/'kept'))
    return tmp_path/'kept'

@pytest.fixture
def no_network(monkeypatch):
    def refuse(*a, **k): raise OSError('no network in this test')
    for n in ('connect', 'connect_ex'): monkeypatch.setattr(socket.socket, n, refuse)
    monkeypatch.setattr(socket, 'getaddrinfo', refuse)

def test_from_stick_to_verdict(defect, resnet, kept, no_network, washer, tmp_path):
    refused(defect('train', washer, '-o', tmp_path/'none', '--backbone', 'resnet18', '--size', 64), 'resnet18 has no weights', 'defect weights add')
    r = defect('weights', 'add', resnet)
    assert r.returncode == 0 and 'is kept as' in r.stdout, r.stderr
    file, = kept.iterdir()
    assert 'is there already' in defect('weights', 'add', resnet).stdout and list(kept.iterdir()) == [file]
    line, = [l for l in defect('weights', 'list').stdout.splitlines() if l.startswith('resnet18')]
    assert 'added' in line and str(file) in line and sha256(file)[:8] in line
    for method, more in (('patch', []), ('adacos', ['--epochs', 1]), ('vgg16-gap', ['--epochs', 1])):
        out = tmp_path/method
        r = defect('train', washer, '-o', out, '--method', method, '--backbone', 'resnet18', '--size', 64, '--no-export', *more)
        assert r.returncode == 0, r.stderr
        assert json.loads((out/'bundle/model.json').read_text())['frozen'] is None
    photo = next((washer/'test/spot').iterdir())
    before = [defect('predict', tmp_path/m, photo).stdout for m in ('patch', 'adacos', 'vgg16-gap')]
    shutil.rmtree(kept)                                                                # the models go to a machine without the file
    assert [defect('predict', tmp_path/m, photo).stdout for m in ('patch', 'adacos', 'vgg16-gap')] == before
    assert all(o.startswith(('PASS', 'FAIL')) for o in before)

def test_models_of_shipped_weights_stay_as_they_are(defect, run, kept, washer, tmp_path):
    photo = next((washer/'test/spot').iterdir())
    before = defect('predict', run, photo).stdout
    torch.manual_seed(0)
    w = {k: v for k, v in torchvision.models.vgg16().state_dict().items() if k.startswith('features.')}
    assert defect('weights', 'add', stick(tmp_path, w, 'vgg16')).returncode == 0
    assert defect('predict', run, photo).stdout == before
    common = '--method', 'vgg16-gap', '--epochs', 1, '--size', 64, '--no-export'
    for name, more, frozen in (('added', [], False), ('shipped', ['--weights', 'shipped'], True)):
        r = defect('train', washer, '-o', tmp_path/name, *common, *more)
        assert r.returncode == 0, r.stderr
        assert bool(json.loads((tmp_path/name/'bundle/model.json').read_text())['frozen']) == frozen

class Bomb:
    def __init__(self, target): self.target = target
    def __reduce__(self): return (Path.touch, (self.target,))

def test_what_is_refused(defect, resnet, kept, tmp_path):
    def add(*args): return defect('weights', 'add', *args)
    refused(add(), 'needs a file')
    refused(defect('weights', 'list', resnet), 'takes no file')
    refused(add(tmp_path/'resnet18-f37072fd.pth'), 'resnet18-f37072fd.pth', 'No such file')
    refused(add(tmp_path), 'not named as torchvision names its files')
    (tmp_path/'resnet50-0676ba61.pth').mkdir()
    refused(add(tmp_path/'resnet50-0676ba61.pth'), 'is a folder')
    cut = tmp_path/resnet.name
    cut.write_bytes(resnet.read_bytes()[:10**6])
    refused(add(cut), 'is not whole', 'copy or download it again')
    refused(add(shutil.copy(resnet, tmp_path/'resnet18.pth')), 'give it that name again')
    refused(add(shutil.copy(resnet, tmp_path/resnet.name.replace('resnet18', 'alexnet'))), 'alexnet', 'resnet34')
    refused(add(shutil.copy(resnet, tmp_path/resnet.name.replace('resnet18', 'resnet50'))), 'does not fit resnet50')
    refused(add(stick(tmp_path, {'conv1.weight': Bomb(tmp_path/'exploded')}, 'resnet18')), 'holds more than numbers')
    assert not (tmp_path/'exploded').exists() and not kept.exists()

def test_a_full_disk_leaves_nothing(resnet, tmp_path):
    "The process may write 1 MB a file."
    limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (10**6, 10**6))
    env = os.environ | dict(DEFECT_WEIGHTS=str(tmp_path/'kept'), PYTHONDONTWRITEBYTECODE='1')
    r = subprocess.run([Path(sys.executable).parent/'defect', 'weights', 'add', resnet], capture_output=True, text=True, env=env, preexec_fn=limit)
    refused(r, 'disk is full')
    assert list((tmp_path/'kept').iterdir()) == []

def test_no_permission(defect, resnet, tmp_path, monkeypatch):
    monkeypatch.setenv('DEFECT_WEIGHTS', str(resnet/'below a file'))
    refused(defect('weights', 'add', resnet), 'cannot be written', 'DEFECT_WEIGHTS')
