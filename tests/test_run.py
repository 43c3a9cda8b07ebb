"A run survives what may happen in a night: kills, Ctrl-C, full disks, vanishing photos, changed models, workers that die."
import json, os, random, shutil, signal, subprocess, sys, time
from pathlib import Path
import pandas as pd, pytest
from conftest import refused, same_answers
from PIL import Image

EXE = Path(sys.executable).parent/'defect'

@pytest.fixture(scope='module')
def photos(tmp_path_factory, washer):
    "Sixty photos in two folders, some broken, some odd."
    d = tmp_path_factory.mktemp('photos')
    some = sorted((washer/'train/good').iterdir())
    for i in range(60):
        (d/'ab'[i % 2]).mkdir(exist_ok=True)
        shutil.copy(some[i % len(some)], d/'ab'[i % 2]/f'{i//2:03}.png')
    (d/'a/004.png').write_bytes(b'no photo')
    (d/'b/007.png').write_bytes((d/'b/008.png').read_bytes()[:200])
    (d/'notes.txt').write_text('x')
    (d/'b/circle').symlink_to(d)
    Image.new('RGB', (9, 9)).save(d/'a/ä\nö ü.png')
    return d

@pytest.fixture(scope='module')
def whole(defect, run, photos, tmp_path_factory):
    "The run that nothing disturbed."
    out = tmp_path_factory.mktemp('whole')/'run'
    r = defect('predict', run, photos, '-o', out)
    assert r.returncode == 1, r.stderr
    return out

def test_rows(whole, photos):
    t = pd.read_csv(whole/'predictions.csv', keep_default_na=False)
    m = json.loads((whole/'manifest.json').read_text())
    p = pd.read_parquet(whole/'shards')
    assert len(t) == len(p) == 61 == m['seen'] and t.path.is_unique and m['failed'] == 2 and m['done'] == 59 and m['skipped'] == 1
    assert set(t[t.verdict == 'ERROR'].path) == {str(photos/'a/004.png'), str(photos/'b/007.png')} and all(t[t.verdict == 'ERROR'].error)
    assert str(photos/'a/ä\nö ü.png') in set(t.path) and m['thresholds'] and len(m['model']['weights_sha256']) == 64

def test_kill_and_resume(run, photos, whole, tmp_path):
    rnd, out = random.Random(3), tmp_path/'run'
    for _ in range(3):
        p = subprocess.Popen([EXE, 'predict', run, photos, '-o', out, '--bs', '1', '--resume'], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(200):
            if (out/'run.json').exists() or p.poll() is not None: break
            time.sleep(.05)
        time.sleep(rnd.uniform(0, .5))
        p.send_signal(signal.SIGKILL)
        p.wait()
    r = subprocess.run([EXE, 'predict', run, photos, '-o', out, '--resume'], capture_output=True, text=True)
    assert r.returncode == 1, r.stderr
    same_answers(out, whole)
    assert not [f for f in out.rglob('.*') if f.name != '.lock']      # no half-written files

def test_second_run_and_changed_model(defect, run, photos, whole, tmp_path):
    refused(defect('predict', run, photos, '-o', whole), 'finished', '--force')
    out = tmp_path/'run'
    shutil.copytree(whole, out)
    (out/'manifest.json').unlink()
    last = sorted((out/'shards').iterdir())[-1]
    last.unlink()
    refused(defect('predict', run, photos, '-o', out), 'not finished', '--resume')
    refused(defect('predict', run, photos, '-o', out, '--resume', '--threshold', .9), 'other thresholds')
    other = tmp_path/'model'
    shutil.copytree(run, other)
    i = json.loads((other/'bundle/model.json').read_text())
    i['temperature'] *= 2
    (other/'bundle/model.json').write_text(json.dumps(i))
    refused(defect('predict', other, photos, '-o', out, '--resume'), 'another model')
    assert defect('predict', run, photos, '-o', out, '--resume').returncode == 1
    same_answers(out, whole)
    (tmp_path/'mine').mkdir()
    (tmp_path/'mine/thesis.tex').touch()
    refused(defect('predict', run, photos, '-o', tmp_path/'mine', '--force'), 'left alone')
    refused(defect('predict', run, photos, '--resume'), 'add -o')

def test_force_with_a_wrong_path_keeps_the_older_run(defect, run, photos, whole, tmp_path):
    out = tmp_path/'run'
    shutil.copytree(whole, out)
    before = {f: f.read_bytes() for f in out.rglob('*') if f.is_file()}
    (tmp_path/'empty').mkdir()
    refused(defect('predict', run, tmp_path/'empty', '-o', out, '--force'), 'holds no images')
    refused(defect('predict', run, photos, tmp_path/'wrong', '-o', out, '--force'), 'wrong does not exist')
    assert {f: f.read_bytes() for f in out.rglob('*') if f.is_file()} == before
    (out/'overlays').mkdir()
    (out/'overlays/mine.png').touch()
    assert defect('predict', run, photos/'a', '-o', out, '--force').returncode == 1
    assert len(pd.read_csv(out/'predictions.csv')) == 31 and (out/'overlays/mine.png').exists()                # what is not the run's own stays

def test_killed_while_listing(defect, run, photos, whole, tmp_path):
    out = tmp_path/'run'
    (out/'shards').mkdir(parents=True)
    for n in ('.lock', 'next.jsonl', '.next-a1b2c3d4.jsonl'): (out/n).write_text('"half')
    assert defect('predict', run, photos, '-o', out).returncode == 1
    same_answers(out, whole)
    assert not [f for f in out.iterdir() if f.name.startswith(('.next', 'next'))]

def test_a_part_that_cannot_be_read(defect, run, photos, whole, tmp_path):
    out = tmp_path/'run'
    shutil.copytree(whole, out)
    part, = (out/'shards').iterdir()
    b = part.read_bytes()
    part.unlink()
    part.mkdir()
    refused(defect('predict', run, photos, '-o', out, '--resume'), 'cannot be read or written', '--resume')      # an error of the disk damages nothing
    part.rmdir()
    part.write_bytes(b[:-100])
    assert defect('predict', run, photos, '-o', out, '--resume').returncode == 1
    same_answers(out, whole)

def test_ctrl_c(run, photos, whole, tmp_path):
    out = tmp_path/'run'
    p = subprocess.Popen([EXE, 'predict', run, photos, photos/'a', '-o', out, '--bs', '1'], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler))
    while not (out/'run.json').exists() and p.poll() is None: time.sleep(.02)
    time.sleep(.4)
    p.send_signal(signal.SIGINT)
    _, err = p.communicate(timeout=60)
    if p.returncode == 1: pytest.skip('the machine was quicker than the test')
    assert p.returncode == 130 and '--resume goes on' in err and 'Traceback' not in err
    assert subprocess.run([EXE, 'predict', run, photos, photos/'a', '-o', out, '--resume'], capture_output=True).returncode == 1
    same_answers(out, whole)

@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which('mount'), reason='needs to mount a small disk')
def test_full_disk(run, photos, tmp_path):
    d = tmp_path/'disk'
    d.mkdir()
    if subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=200k', 'tmpfs', d], capture_output=True).returncode: pytest.skip('mounting is not allowed here')
    try:
        r = subprocess.run([EXE, 'predict', run, photos, '-o', d/'run', '--heatmaps'], capture_output=True, text=True)
        refused(r, 'No space left', '--resume')
    finally: subprocess.run(['umount', '-l', d])

def test_bucket(defect, run, photos, whole):
    import fsspec
    fs = fsspec.filesystem('memory')
    for p in sorted((photos/'a').iterdir())[:6]: fs.pipe(f'/in/{p.name}', p.read_bytes())
    r = defect('predict', run, 'memory://in', '-o', 'memory://out')
    assert r.returncode == 1, r.stderr
    with fs.open('/out/predictions.csv') as f: t = pd.read_csv(f)
    ref = pd.read_csv(whole/'predictions.csv').assign(name=lambda t: t.path.str.extract('/a/([^/]+)$')).set_index('name')
    assert len(t) == 6
    for r in t.itertuples(): assert ref.verdict[r.path.rpartition('/')[2]] == r.verdict

def test_watch(run, photos, tmp_path):
    inbox, out = tmp_path/'inbox', tmp_path/'out'
    inbox.mkdir()
    for i in range(4): shutil.copy(photos/f'a/{i:03}.png', inbox)
    watch = [EXE, 'watch', run, inbox, '-o', out, '--settle', '.2', '--move']
    p = subprocess.Popen(watch, stdout=subprocess.PIPE, text=True)
    for _ in range(2): p.stdout.readline()
    p.kill()
    p.wait()
    shutil.copy(photos/'a/004.png', inbox)      # killed in the middle; a broken photo comes
    r = subprocess.run([*watch, '--once'], capture_output=True, text=True)
    assert r.returncode == 0, r.stderr
    t = pd.read_csv(out/'verdicts.csv')
    assert len(t) == 5 and t.path.is_unique and not list(inbox.iterdir()) and (out/'ERROR/004.png').exists()

def test_watch_stops_in_the_middle_of_a_backlog(run, photos, tmp_path):
    inbox, out = tmp_path/'inbox', tmp_path/'out'
    inbox.mkdir()
    for i in range(20): Image.open(photos/'a/000.png').resize((2500, 2500)).save(inbox/f'{i:02}.png', compress_level=1)
    p = subprocess.Popen([EXE, 'watch', run, inbox, '-o', out, '--settle', '.1'], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler))
    p.stdout.readline()
    p.send_signal(signal.SIGINT)
    _, err = p.communicate(timeout=60)
    n = len(pd.read_csv(out/'verdicts.csv'))
    assert p.returncode == 0 and 'Traceback' not in err and 1 <= n < 20
    r = subprocess.run([EXE, 'watch', run, inbox, '-o', out, '--settle', '.1', '--once'], capture_output=True, text=True)
    assert r.returncode == 0, r.stderr
    t = pd.read_csv(out/'verdicts.csv')
    assert len(t) == 20 and t.path.is_unique

def test_resume_on_a_changed_folder_says_so(defect, run, photos, tmp_path):
    d, out = tmp_path/'d', tmp_path/'out'
    shutil.copytree(photos/'b', d, symlinks=True, ignore=lambda *_: ['circle', '007.png'])
    assert defect('predict', run, d, '-o', out).returncode == 0
    r = defect('predict', run, d, '-o', out, '--resume')
    assert r.returncode == 0 and 'since the run began' not in r.stderr and 'changes' not in json.loads((out/'manifest.json').read_text())
    Image.new('RGB', (64, 64)).save(d/'003.png')
    shutil.copy(photos/'b/008.png', d/'new.png')
    (d/'005.png').unlink()
    r = defect('predict', run, d, '-o', out, '--resume')
    assert '1 new, 1 changed, 1 gone since the run began' in r.stderr and '--force begins anew' in r.stderr, r.stderr
    assert json.loads((out/'manifest.json').read_text())['changes'] == dict(new=1, changed=1, gone=1, first=str(d/'new.png'))
    (out/'manifest.json').unlink()
    (sorted((out/'shards').iterdir())[-1]).unlink()      # one that was not finished goes on, and says it too
    r = defect('predict', run, d, '-o', out, '--resume')
    assert '1 new, 1 changed, 1 gone' in r.stderr, r.stderr
    r = defect('predict', run, d, '-o', out, '--force')
    assert r.returncode == 0 and 'since the run' not in r.stderr and len(pd.read_csv(out/'predictions.csv')) == 29
    fs = __import__('fsspec').filesystem('memory')
    fs.pipe('/in2/a.png', (d/'003.png').read_bytes())
    defect('predict', run, 'memory://in2', '-o', 'memory://out2')
    fs.pipe('/in2/b.png', (d/'003.png').read_bytes())
    assert '1 new since the run began' in defect('predict', run, 'memory://in2', '-o', 'memory://out2', '--resume').stderr

def test_two_runs_into_one_folder(run, photos, tmp_path):
    out, words = tmp_path/'out', ['--bs', '1']
    p = subprocess.Popen([EXE, 'predict', run, photos, '-o', out, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not (out/'run.json').exists() and p.poll() is None: time.sleep(.02)
    p.send_signal(signal.SIGSTOP)
    for more in [], ['--resume'], ['--force']: refused(subprocess.run([EXE, 'predict', run, photos, '-o', out, *words, *more], capture_output=True, text=True), 'Another run')
    p.send_signal(signal.SIGCONT)
    assert p.wait() == 1 and len(pd.read_csv(out/'predictions.csv')) == 61
