"The command of `make cracks`: what it says without photos, and how it goes on after a stop."
import importlib.util
import os
import subprocess
import sys
import time
import pytest
from conftest import ROOT
from defect_nbdev.study.crack_maps import read_maps

SCRIPT = ROOT/'benchmarks/cracks.py'
SMALL = '--draw 120 --backbone efficientnet-lite0 --size 64 --epochs 2 --photos 4 --evals 40 --patch-photos 40 --patch-size 64'.split()
ENV = os.environ | dict(OMP_NUM_THREADS='1', PYTHONPATH=str(ROOT))

def command(tmp, *more):
    return [sys.executable, SCRIPT, tmp/'walls', '--runs', tmp/'runs', '--results', tmp/'results', *SMALL, *more]

def run(tmp, *more): return subprocess.run(command(tmp, *more), capture_output=True, text=True, env=ENV, timeout=600)

def test_make_asks_for_photos():
    r = subprocess.run(['make', 'cracks'], cwd=ROOT, capture_output=True, text=True)
    assert r.returncode and 'make cracks DATA=folder' in r.stdout

def test_a_missing_folder_is_one_sentence(tmp_path):
    r = subprocess.run([sys.executable, SCRIPT, tmp_path/'nowhere', '--results', tmp_path], capture_output=True, text=True, env=ENV)
    assert r.returncode == 1 and 'does not exist' in r.stderr and 'Traceback' not in r.stderr

@pytest.mark.skipif(not importlib.util.find_spec('shap'), reason='needs the extra shap')
def test_it_goes_on_after_it_was_killed(tmp_path):
    trained, maps = tmp_path/'results/cracks_train_walls.json', tmp_path/'results/cracks_maps_walls.csv'
    p = subprocess.Popen(command(tmp_path), stdout=subprocess.DEVNULL, env=ENV)
    while p.poll() is None and not maps.exists(): time.sleep(.05)
    p.kill()
    p.wait()
    first, before = trained.read_bytes(), read_maps(maps)
    assert 1 <= before.photo.nunique() < 4
    r = run(tmp_path)
    assert r.returncode == 0, r.stderr
    rows = read_maps(maps)
    assert trained.read_bytes() == first and 'is stored' in r.stdout
    assert len(rows) == rows.photo.nunique()*6 == 24
    assert rows.head(len(before)).equals(before)
    assert not rows.duplicated(['photo', 'map']).any()
