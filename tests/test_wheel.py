"The wheel, installed alone: complete, small, and working without a network beside the newest fastai."
import os, shutil, subprocess, sys, zipfile
from pathlib import Path
import pytest
from conftest import ROOT

UV = Path(sys.executable).parent/'uv'
NO_NETWORK = '''
import socket
def refuse(*a, **k): raise OSError("no network in this test")
socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = socket.create_connection = refuse
'''
FIVE_LINES = '''
import sys
from defect_nbdev.all import *
dls = defect_dls(samples(sys.argv[1]), size=64, valid=0)
learn = defect_learner(dls)
with learn.no_bar(): learn.fit(1)
verdict = Inspector(learn).predict(sys.argv[2])
import defect_nbdev, fastai, fastcore
assert 'site-packages' in defect_nbdev.__file__, defect_nbdev.__file__
print('fastai', fastai.__version__, 'fastcore', fastcore.__version__, verdict.label, verdict.heatmap.shape)
'''

@pytest.fixture(scope='module')
def wheel(tmp_path_factory):
    out = tmp_path_factory.mktemp('dist')
    shutil.rmtree(ROOT/'build', ignore_errors=True)      # setuptools would pack what an older build left there
    subprocess.run([UV, 'build', '-q', '--wheel', '-o', out, ROOT], check=True)
    w, = out.glob('*.whl')
    return w

def test_contents(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    for w in ('vgg16', 'efficientnet_lite0'): assert f'defect_nbdev/pretrained/{w}_imagenet_features.safetensors' in names
    assert not [n for n in names if n.startswith(('tests', 'nbs', 'weights'))]
    modules = {p.relative_to(ROOT).as_posix() for p in (ROOT/'defect_nbdev').rglob('*.py')}
    assert {n for n in names if n.startswith('defect_nbdev/') and n.endswith('.py')} == modules
    assert wheel.stat().st_size < 40e6

def test_empty_environment_offline(wheel, washer, tmp_path):
    env = {**os.environ, 'UV_PYTHON_DOWNLOADS': 'never'}
    env.pop('VIRTUAL_ENV', None)
    env.pop('PYTHONPATH', None)
    subprocess.run([UV, 'venv', '-q', '-p', sys.executable, tmp_path/'env'], check=True, env=env)
    py = tmp_path/'env/bin/python'
    subprocess.run([UV, 'pip', 'install', '-q', '-p', py, wheel], check=True, env=env)
    (tmp_path/'block').mkdir()
    (tmp_path/'block/sitecustomize.py').write_text(NO_NETWORK)
    (tmp_path/'home').mkdir()
    env |= dict(PYTHONPATH=str(tmp_path/'block'), HOME=str(tmp_path/'home'))
    part = next((washer/'test/spot').iterdir())
    r = subprocess.run([py, '-W', 'ignore', '-c', FIVE_LINES, washer, part], capture_output=True, text=True, env=env, cwd=tmp_path)
    assert r.returncode == 0, r.stderr
    print(r.stdout)
    exe = tmp_path/'env/bin/defect'
    for args in (['train', washer, '-o', 'run', '--size', '64'], ['predict', 'run', part]):
        r = subprocess.run([exe, *args], capture_output=True, text=True, env=env, cwd=tmp_path)
        assert r.returncode == 0, r.stderr
    assert r.stdout.startswith(('PASS', 'FAIL'))
