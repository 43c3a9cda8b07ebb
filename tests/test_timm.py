"A backbone of timm: learned with, carried by the bundle, and refused with one sentence where it cannot be."
import json, shutil, socket, sys
import pytest
from conftest import refused

timm = pytest.importorskip('timm')
NAME = 'mobilenetv3_small_050'

@pytest.fixture(scope='module')
def file(tmp_path_factory):
    "Random weights with timm's names."
    import torch
    from safetensors.torch import save_file
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp('timm')/'model.safetensors'
    save_file(timm.create_model(NAME, pretrained=False).state_dict(), path)
    return path

@pytest.fixture
def no_network(monkeypatch, tmp_path):
    from huggingface_hub import constants
    def refuse(*a, **k): raise OSError('no network in this test')
    for n in ('connect', 'connect_ex'): monkeypatch.setattr(socket.socket, n, refuse)
    for n in ('getaddrinfo', 'create_connection'): monkeypatch.setattr(socket, n, refuse)
    monkeypatch.setattr(constants, 'HF_HUB_CACHE', str(tmp_path/'hub'))

@pytest.fixture(scope='module')
def learned(defect, file, washer, tmp_path_factory):
    "Runs of two methods, with one prediction each, made while the file of weights was still there."
    out = tmp_path_factory.mktemp('learned')
    mine = shutil.copy(file, out/'mine.safetensors')
    said = {}
    for method, more in (('patch', []), ('vgg16-gap', ['--epochs', 1, '--no-export'])):
        r = defect('train', washer, '-o', out/method, '--method', method, '--backbone', f'timm:{NAME}', '--weights', mine, '--size', 96, *more)
        assert r.returncode == 0, r.stderr
        said[method] = defect('predict', out/method, next((washer/'test/spot').iterdir())).stdout
    mine.unlink()
    return out, said

@pytest.mark.parametrize('method', ['patch', 'vgg16-gap'])
def test_from_file_to_verdict(defect, learned, washer, no_network, method):
    out, said = learned
    info = json.loads((out/method/'bundle/model.json').read_text())
    assert info['net']['backbone'] == f'timm:{NAME}' and info['frozen'] is None
    if method == 'patch': assert info['net']['layers'] == ['stride8', 'stride16']
    photo = next((washer/'test/spot').iterdir())
    assert defect('predict', out/method, photo).stdout == said[method] and said[method].startswith(('PASS', 'FAIL'))

def test_what_is_refused(defect, file, washer, tmp_path, no_network):
    def train(name, *more): return defect('train', washer, '-o', tmp_path/'run', '--size', 96, '--backbone', name, *more)
    refused(train(f'timm:{NAME}'), NAME, 'connect once', '--weights FILE')
    refused(train('timm:mobilenet_v3_small'), 'did you mean')
    refused(train('timm:hf-hub:someone/network'), 'timm has no network')
    refused(train('timm:swin_tiny_patch4_window7_224', '--weights', 'none'), 'not a row of stages')
    refused(train(f'timm:{NAME}', '--weights', 'torchvision'), 'leave it away')
    refused(train('timm:resnet18', '--weights', file), 'does not fit')
    assert not (tmp_path/'run').exists()

def test_without_timm(defect, learned, washer, tmp_path, monkeypatch):
    run = learned[0]/'patch'
    monkeypatch.setitem(sys.modules, 'timm', None)
    photo = next((washer/'test/spot').iterdir())
    assert defect('predict', run, photo).returncode == 0                     # the export needs no timm
    refused(defect('predict', run, photo, '--backend', 'torch'), "pip install 'defect_nbdev[timm]'")
    refused(defect('train', washer, '-o', tmp_path/'other', '--backbone', f'timm:{NAME}'), "pip install 'defect_nbdev[timm]'")

def test_a_hostile_name_asks_no_server(defect, learned, washer, tmp_path, no_network):
    shutil.copytree(learned[0]/'patch', tmp_path/'run')
    path = tmp_path/'run/bundle/model.json'
    info = json.loads(path.read_text())
    info['net']['backbone'] = 'timm:hf-hub:someone/network'
    path.write_text(json.dumps(info))
    refused(defect('predict', tmp_path/'run', next((washer/'test/spot').iterdir()), '--backend', 'torch'), 'timm has no network')
