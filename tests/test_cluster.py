"Workers of Ray: the rows of one process, also when a worker is killed in the middle."
import json, os, re, shutil, signal, subprocess, sys, time
from pathlib import Path
import pandas as pd, pytest
from conftest import same_answers
from PIL import Image

ray = pytest.importorskip('ray')
EXE = Path(sys.executable).parent/'defect'

@pytest.fixture(scope='module')
def large(tmp_path_factory, washer):
    "Photos that take a while to decode, and one that is none."
    d = tmp_path_factory.mktemp('large')
    parts = sorted((washer/'test').rglob('*.png'))[:4]
    for i in range(20):
        if i < 4: Image.open(parts[i]).convert('RGB').resize((3000, 3000)).save(d/f'{i:03}.png', compress_level=1)
        else: (d/f'{i:03}.png').hardlink_to(d/f'{i % 4:03}.png')
    (d/'013.png').unlink()
    (d/'013.png').write_text('no photo')
    return d

def workers(): return {int(p.name) for p in Path('/proc').iterdir() if p.name.isdigit() and re.match(rb'ray::MapWorker.*\.submit', _title(p))}
def _title(p):
    try: return (p/'cmdline').read_bytes()
    except OSError: return b''

@pytest.mark.skipif(not Path('/proc/self/cmdline').exists(), reason='finds the workers in /proc')
def test_a_killed_worker(run, large, tmp_path):
    env = os.environ | dict(OMP_NUM_THREADS='1')
    base = [EXE, 'predict', run, large, '-o']
    assert subprocess.run([*base, tmp_path/'local'], capture_output=True, env=env).returncode == 1
    p = subprocess.Popen([*base, tmp_path/'ray', '--engine', 'ray', '--workers', '2', '--cpus', '.5', '--bs', '2'], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env)
    while p.poll() is None and not workers(): time.sleep(.1)
    time.sleep(1)
    victims = workers()
    assert victims and not (tmp_path/'ray/manifest.json').exists()
    os.kill(min(victims), signal.SIGKILL)
    out, err = p.communicate(timeout=300)
    assert p.returncode == 1, err
    same_answers(tmp_path/'ray', tmp_path/'local')
    assert b'Traceback' not in err

def test_relative_paths_and_overlays(run, washer, tmp_path):
    shutil.copytree(washer/'test', tmp_path/'photos')
    few = sorted((tmp_path/'photos').rglob('*.png'))
    for p in few[8:]: p.unlink()
    for n, more in (('local', []), ('ray', ['--engine', 'ray', '--workers', '2', '--cpus', '.5', '--bs', '2'])):
        r = subprocess.run([EXE, 'predict', run, 'photos', '-o', n, '--overlays', *more], cwd=tmp_path, capture_output=True, text=True, env=os.environ | dict(OMP_NUM_THREADS='1'))
        assert r.returncode == 0, r.stderr
    names = [sorted(f.name for f in (tmp_path/n/'overlays').iterdir()) for n in ('local', 'ray')]
    assert names[0] == names[1] and len(names[0]) == 8
    same_answers(tmp_path/'ray', tmp_path/'local')
    assert b'photos/' in (tmp_path/'ray/predictions.csv').read_bytes()

def test_the_gate_in_a_worker(defect, program, run, washer, tmp_path):
    "Photos unlike everything learned are REVIEW for the same reasons as without Ray."
    (tmp_path/'photos').mkdir()
    for i, p in enumerate(sorted((washer/'test').rglob('*.png'))[:5]): shutil.copy(p, tmp_path/'photos'/f'{i}.png')
    for name, colour in dict(black=0, white=255, grey=90).items(): Image.new('RGB', (128, 128), (colour,)*3).save(tmp_path/'photos'/f'{name}.png')
    Image.new('RGB', (64, 96), 'red').save(tmp_path/'photos/other_size.png')
    base = 'predict', run, tmp_path/'photos', '-o'
    assert defect(*base, tmp_path/'local').returncode == 0
    r = program(*base, tmp_path/'ray', '--engine', 'ray', '--workers', 1, '--cpus', .5, '--bs', 2)
    assert r.returncode == 0, r.stderr
    one, two = (pd.read_csv(tmp_path/n/'predictions.csv', keep_default_na=False) for n in ('local', 'ray'))
    assert two.unlike.tolist() == one.unlike.tolist() and two.verdict.tolist() == one.verdict.tolist()
    wrong = one[~one.path.str.contains(r'/\d.png')]
    assert len(wrong) == 4 and set(wrong.verdict) == {'REVIEW'} and wrong.unlike.str.startswith('unlike the training photos').all() and 'darker than all' in wrong.unlike.iloc[0]
    said = [json.loads((tmp_path/n/'manifest.json').read_text())['trend'] for n in ('local', 'ray')]
    assert said[0]['unlike'] == said[1]['unlike'] >= 4 and said[0]['first'] == said[1]['first']
