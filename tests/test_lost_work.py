"What a person has worked for stays: one writer at a time, files that others can read, and a disk or a memory that ends in a sentence."
import errno, fcntl, json, os, shutil, stat, subprocess, sys, time
from pathlib import Path
import numpy as np, pandas as pd, pytest, torch
from safetensors import SafetensorError
from conftest import refused
from defect_nbdev.core.errors import UserError
from defect_nbdev.core.files import fit_name, new_file, new_folder
from defect_nbdev.core.limits import shortage
from defect_nbdev.core.lock import locked
from defect_nbdev.deploy.inspector import Inspector

TRAIN = '--method', 'vgg16-gap', '--epochs', 1, '--size', 32, '--no-export'
ODD = {'ascii': 'a'*248, 'umlaut': 'ü'*124, 'chinese': '缺'*82, 'emoji': '🔩'*62, 'bytes': os.fsdecode(b'\xff'*248), 'line': 'a\nb', 'dollar': 'a$\\frac{b$_^', 'spaces': ' x '}

def files(folder): return [p for p in Path(folder).rglob('*') if not p.is_symlink()]
def mode(p): return stat.S_IMODE(p.stat().st_mode)
def hidden(folder): return sorted(p.name for p in Path(folder).rglob('.*'))

def odd_photos(folder, washer):
    "Photos whose names are as long as a name can be, or hold what few names hold."
    folder.mkdir()
    some = sorted((washer/'test').rglob('*.png'))
    for name, src in zip(ODD.values(), some): shutil.copyfile(src, folder/f'{name}.png')
    assert max(len(os.fsencode(p.name)) for p in folder.iterdir()) == 252
    return folder

# ---- files that others can read

@pytest.mark.parametrize('umask', [0o022, 0o027, 0o077], ids=oct)
def test_modes_follow_the_umask(umask, tmp_path):
    before = os.umask(umask)
    try:
        with new_file(tmp_path/'a/one.txt') as f:
            f.unlink()
            os.close(os.open(f, os.O_CREAT | os.O_WRONLY, 0o600))             # as safetensors writes
        with new_folder(tmp_path/'b', 'x') as f:
            (f/'deep').mkdir(0o700)
            (f/'deep/x').touch(0o600)
    finally: os.umask(before)
    for p in files(tmp_path): assert mode(p) == (0o777 if p.is_dir() else 0o666) & ~umask, p

def test_what_training_writes_can_be_read(run):
    allowed = 0o666 & ~mode_mask()
    for p in files(run): assert mode(p) == (0o777 & ~mode_mask() if p.is_dir() else allowed), p
    assert (run/'bundle/model.safetensors').exists() and list((run/'bundle/examples').iterdir())

def mode_mask():
    mask = os.umask(0)
    os.umask(mask)
    return mask

# ---- one writer at a time

def test_each_verb_is_refused_while_another_writes(defect, run, washer, tmp_path):
    out, inbox = tmp_path/'deep/out', tmp_path/'inbox'
    inbox.mkdir()
    verbs = (('train', washer, *TRAIN), ('train', washer, '--folds', 2, *TRAIN[:-1]), ('check', washer), ('test', run, washer),
             ('report', run, washer), ('predict', run, washer/'test'), ('watch', run, inbox, '--once'), ('demo',), ('benchmark', washer))
    with locked(out):
        for v in verbs: refused(defect(*v, '-o', out), 'Another run is writing', 'wait for it')
    shutil.copytree(run, tmp_path/'run')
    with locked(tmp_path/'run/bundle/exports/onnx'): refused(defect('export', tmp_path/'run', '--to', 'onnx', '--photos', washer), 'Another run is writing')
    assert sorted(o.name for o in tmp_path.iterdir()) == ['inbox', 'run'] and not hidden(tmp_path)

def test_two_trainings_at_once(defect, small, tmp_path):
    exe, out = Path(sys.executable).parent/'defect', tmp_path/'new/run'
    other = subprocess.Popen([exe, 'train', small, '-o', out, *map(str, TRAIN)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    while other.poll() is None and not (tmp_path/'new/.run.lock').exists(): time.sleep(.01)
    refused(defect('train', small, '-o', out, *TRAIN), 'Another run is writing')
    said = other.communicate(timeout=300)[1]
    assert other.returncode == 0, said
    assert (out/'report.html').exists() and not hidden(tmp_path)

def test_a_killed_writer_blocks_nobody(defect, washer, tmp_path):
    code = f"import os\nfrom defect_nbdev.core.lock import locked\nwith locked({str(tmp_path/'out')!r}): os.kill(os.getpid(), 9)"
    assert subprocess.run([sys.executable, '-c', code]).returncode == -9
    assert hidden(tmp_path) == ['.out.lock']
    assert defect('check', washer, '-o', tmp_path/'out').returncode == 0
    assert not hidden(tmp_path)

def test_locks_of_links_and_of_the_place_itself(tmp_path):
    (tmp_path/'real').mkdir()
    (tmp_path/'link').symlink_to('real')
    with locked(tmp_path/'real'), pytest.raises(UserError, match='Another run'):
        with locked(tmp_path/'link'): pass
    with new_folder(tmp_path/'link', 'x') as f: (f/'x').touch()
    assert (tmp_path/'link').is_symlink() and (tmp_path/'real/x').exists()
    (tmp_path/'text').write_text('old')
    (tmp_path/'t').symlink_to('text')
    with new_file(tmp_path/'t') as f: f.write_text('new')
    assert (tmp_path/'t').is_symlink() and (tmp_path/'text').read_text() == 'new'

class Windows:
    "Stands for the module msvcrt: a lock is refused with PermissionError, and belongs to one open file."
    LK_NBLCK = 2
    @staticmethod
    def locking(h, mode, n):
        assert mode == 2 and n == 1
        try: fcntl.flock(h, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as e: raise PermissionError(errno.EACCES, 'Permission denied') from e

def open_names(): return [os.path.realpath(f'/proc/self/fd/{n}') for n in os.listdir('/proc/self/fd')]

@pytest.mark.skipif(not Path('/proc/self/fd').exists(), reason='finds open files in /proc')
def test_locks_of_windows(tmp_path, monkeypatch):
    "Without fcntl: a second writer is refused, no open file is removed, and nothing stays."
    unlink = Path.unlink
    def of_windows(self, *args, **kw):
        if os.path.realpath(self) in open_names(): raise PermissionError(errno.EACCES, 'used by another process')
        return unlink(self, *args, **kw)
    monkeypatch.setitem(sys.modules, 'fcntl', None)
    with monkeypatch.context() as m:
        m.setitem(sys.modules, 'msvcrt', Windows)
        m.setattr(Path, 'unlink', of_windows)
        with locked(tmp_path/'new/out'):
            assert hidden(tmp_path) == ['.out.lock']
            with pytest.raises(UserError, match='Another run is writing'):
                with locked(tmp_path/'new/out'): pass
        assert not list(tmp_path.iterdir())
        (tmp_path/'.out.lock').touch()                                            # left over by a killed writer
        with locked(tmp_path/'out'): h = os.open(tmp_path/'.out.lock', os.O_RDWR)  # the next one is already waiting
        os.close(h)
        with locked(tmp_path/'out'): pass
        assert not list(tmp_path.iterdir())

# ---- a place that must not be written

def listing(folder): return sorted((str(p.relative_to(folder)), p.stat().st_mtime_ns) for p in Path(folder).rglob('*'))

def test_a_refused_place_stays_as_it_was(defect, run, washer, tmp_path):
    photos = tmp_path/'photos'
    shutil.copytree(washer/'test', photos)
    (tmp_path/'loop').symlink_to('loop')
    (tmp_path/'gone').symlink_to('nowhere/at/all')
    (tmp_path/'file').write_text('x')
    inbox = tmp_path/'inbox'
    inbox.mkdir()
    before = listing(photos)
    verbs = (('train', washer, *TRAIN), ('train', washer, '--folds', 2, *TRAIN[:-1]), ('check', washer), ('test', run, washer), ('predict', run, washer/'test'), ('watch', run, inbox, '--once'))
    for v in verbs:
        refused(defect(*v, '-o', photos), str(photos), 'left alone')
        assert listing(photos) == before and not hidden(tmp_path), v
        refused(defect(*v, '-o', tmp_path/'file'), 'file')
        refused(defect(*v, '-o', tmp_path/'loop'), 'loop')
    refused(defect('report', run, washer, '-o', photos), 'it is no file')
    refused(defect('report', run, washer, '-o', '/dev/null'), 'it is no file')
    refused(defect('test', run, washer, '-o', run), 'folder of a run')
    assert listing(photos) == before and not hidden(tmp_path) and (tmp_path/'file').read_text() == 'x'

@pytest.mark.skipif(os.geteuid() == 0, reason='root may write everywhere')
def test_a_folder_that_cannot_be_written(defect, run, washer, tmp_path):
    (tmp_path/'locked').mkdir(0o500)
    for v in (('train', washer, *TRAIN), ('check', washer), ('predict', run, washer/'test')): refused(defect(*v, '-o', tmp_path/'locked/out'), 'cannot be written', 'Permission denied')

# ---- disk and memory

FULL = dict(os=OSError(errno.ENOSPC, 'No space left on device'), rust=SafetensorError('Error while serializing: I/O error: No space left on device (os error 28)'))
SHORT = dict(python=MemoryError(), numpy=np._core._exceptions._ArrayMemoryError((9,), np.dtype(float)), cpu=RuntimeError("[enforce fail at alloc_cpu.cpp:1] . DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."),
             windows=RuntimeError('DefaultCPUAllocator: not enough memory: you tried to allocate 9 bytes.'), cuda=torch.OutOfMemoryError('CUDA out of memory. Tried to allocate 2.00 GiB.'), fork=OSError(errno.ENOMEM, 'Cannot allocate memory'))

@pytest.mark.parametrize('e', FULL.values(), ids=FULL)
def test_a_full_disk_in_training(e, defect, small, tmp_path, monkeypatch):
    import defect_nbdev.models.frozen as frozen
    save, n = frozen.save_file, []
    def full(*args):
        if len(n) == 8: raise e
        n.append(1)
        return save(*args)
    monkeypatch.setattr(frozen, 'save_file', full)
    ask = 'train', small, '-o', tmp_path/'run', '--cache', tmp_path/'cache', '--cache-gb', 1, *TRAIN
    refused(defect(*ask), 'The disk is full', 'cache', '--cache-gb', 'goes on with them')
    kept = list((tmp_path/'cache').rglob('*.safetensors'))
    assert len(kept) == 8 and not (tmp_path/'run').exists() and not hidden(tmp_path)
    monkeypatch.setattr(frozen, 'save_file', save)
    assert defect(*ask).returncode == 0
    assert {p.stat().st_mtime_ns for p in kept} <= {p.stat().st_mtime_ns for p in (tmp_path/'cache').rglob('*.safetensors')}      # used again, not made again

@pytest.mark.parametrize('e', SHORT.values(), ids=SHORT)
def test_too_little_memory_in_training(e, defect, small, tmp_path, monkeypatch):
    from defect_nbdev.models.frozen import FeatureStore
    def short(*_): raise e
    monkeypatch.setattr(FeatureStore, '_compute', short)
    said = refused(defect('train', small, '-o', tmp_path/'run', *TRAIN), 'not enough memory', '--size', '--bs', '--cache FOLDER', '--cache-gb')
    refused(defect('train', small, '-o', tmp_path/'run', '--folds', 2, *TRAIN[:-1]), 'not enough memory', '--size', '--bs')
    r = defect('train', small, '-o', tmp_path/'run', '--size', 32, '--no-export')
    refused(r, 'not enough memory', '--size')
    assert '--bs' not in r.stderr and not list(tmp_path.iterdir())                   # patch has no such option

def test_words_for_what_has_run_out():
    import sqlite3
    assert all(shortage(e) == 'memory' for e in SHORT.values()) and all(shortage(e) == 'disk' for e in FULL.values())
    for e in OSError(errno.EDQUOT, 'Disk quota exceeded'), sqlite3.OperationalError('database or disk is full'), OSError('[Errno 28] Error writing bytes to file. Detail: [errno 28] No space left on device'): assert shortage(e) == 'disk'
    for e in ValueError('shape'), OSError(errno.EACCES, 'Permission denied'), UserError('not enough memory'), KeyError('x'): assert not shortage(e)

def test_a_file_that_grows_too_large(defect, small, tmp_path):
    "A real limit of the kernel, while the model is saved."
    import resource
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, before[1]))
    try: r = defect('train', small, '-o', tmp_path/'run', *TRAIN)
    finally: resource.setrlimit(resource.RLIMIT_FSIZE, before)
    refused(r, 'The disk is full', 'make room')
    assert not list(tmp_path.iterdir())

def test_memory_that_runs_out_elsewhere(defect, run, washer, tmp_path, monkeypatch):
    def short(*_, **__): raise MemoryError
    with monkeypatch.context() as m:
        m.setattr('defect_nbdev.deploy.inspector.read_image', short)
        v, = list(Inspector(run).stream([next((washer/'test').rglob('*.png'))]))
        assert v.label == 'ERROR' and 'more memory' in v.error
    with monkeypatch.context() as m:
        m.setattr('defect_nbdev.deploy.bundle.load_file', short)
        refused(defect('predict', run, washer/'test', '--backend', 'torch'), 'more memory')
    with monkeypatch.context() as m:
        m.setattr('defect_nbdev.deploy.inspector.Inspector._judge', short)
        refused(defect('test', run, washer), 'not enough memory', 'close other programs')

# ---- names

def test_long_and_odd_names(defect, run, washer, tmp_path):
    photos = odd_photos(tmp_path/'photos', washer)
    extras = '--overlays', '--heatmaps', '--masks'
    r = defect('predict', run, photos, '-o', tmp_path/'out', *extras)
    assert r.returncode == 0, r.stderr
    t = pd.read_csv(tmp_path/'out/predictions.csv', keep_default_na=False)
    assert len(t) == len(ODD) and (t.error == '').all()
    for k in 'overlays', 'heatmaps', 'masks': assert len(list((tmp_path/'out'/k).iterdir())) == len(ODD)
    assert not hidden(tmp_path/'out/overlays')
    (tmp_path/'out/manifest.json').unlink()
    assert defect('predict', run, photos, '-o', tmp_path/'out', *extras, '--resume').returncode == 0
    assert defect('report', run, photos, '-o', tmp_path/'r.html').returncode == 0
    for _ in range(2):                                                       # the same names a second time: -1 does not fit
        again = tmp_path/'inbox'
        shutil.copytree(photos, again, dirs_exist_ok=True, copy_function=shutil.copyfile)
        r = defect('watch', run, again, '-o', tmp_path/'shift', '--move', '--once', '--settle', .01)
        assert r.returncode == 0, r.stderr
        assert not [p for p in again.iterdir()]
    assert len([p for p in (tmp_path/'shift').glob('*/*')]) == 2*len(ODD)

def test_learning_from_long_names(defect, small, tmp_path):
    own = tmp_path/'small'
    shutil.copytree(small, own)
    for i, p in enumerate(sorted((own/'test/scratch').glob('*.png')) + sorted((own/'test/good').glob('*.png'))):
        p.rename(p.with_name(fit_name('缺'*100, after=f'{i:02}.png', most=252)))
    for p in own.glob('ground_truth/**/*.png'): p.unlink()
    r = defect('train', own, '-o', tmp_path/'run', '--examples', 12, *TRAIN)
    assert r.returncode == 0, r.stderr
    names = json.loads((tmp_path/'run/bundle/examples/examples.json').read_text())
    assert len(names) > 3 and all((tmp_path/'run/bundle/examples'/n).exists() for n in names)

def test_a_photo_that_cannot_be_written_for_is_a_row(defect, run, washer, tmp_path, monkeypatch):
    from defect_nbdev.core.place import Place
    new, photos = Place.new, sorted((washer/'test').rglob('*.png'))[:4]
    def refuse(self, name):
        if name.startswith('overlays/000002'): raise OSError(errno.ENAMETOOLONG, 'File name too long')
        return new(self, name)
    monkeypatch.setattr(Place, 'new', refuse)
    r = defect('predict', run, *photos, '-o', tmp_path/'out', '--overlays')
    assert r.returncode == 1, r.stderr
    t = pd.read_csv(tmp_path/'out/predictions.csv', keep_default_na=False)
    assert t.verdict.tolist().index('ERROR') == 2 and 'cannot be written' in t.error[2] and len(list((tmp_path/'out/overlays').iterdir())) == 3
    def full(self, name): raise OSError(errno.ENOSPC, 'No space left on device')
    monkeypatch.setattr(Place, 'new', lambda self, name: full(self, name) if name.startswith('overlays') else new(self, name))
    refused(defect('predict', run, *photos, '-o', tmp_path/'out2', '--overlays'), 'No space left', '--resume')

# ---- things that are no model

@pytest.mark.parametrize('thing', [None, 3, {}, torch.nn.Linear(1, 1), object()], ids=lambda o: type(o).__name__)
def test_an_object_that_is_no_model(thing):
    with pytest.raises(UserError, match=f'A {type(thing).__name__} is no model.*give the folder'): Inspector(thing)

def test_a_file_that_is_no_model(defect, washer, tmp_path):
    photo = next((washer/'test').rglob('*.png'))
    for name in 'export.pkl', 'model.pth', 'weights.safetensors':
        (tmp_path/name).write_bytes(b'x')
        refused(defect('predict', tmp_path/name, photo), name, 'is one file', 'give the folder')
    from fastai.learner import Learner
    from fastai.data.core import DataLoaders
    learn = Learner(DataLoaders([], []), torch.nn.Linear(1, 1), loss_func=torch.nn.MSELoss())
    with pytest.raises(UserError, match='A Learner is no model'): Inspector(learn)

# ---- the user's home

def at_home(home, *commands):
    "One process after the other would import torch again and again."
    env = {k: v for k, v in os.environ.items() if not k.startswith(('XDG_', 'MPL', 'ORT_', 'HF_', 'RAY_'))} | dict(HOME=str(home))
    commands = [list(map(str, c)) for c in commands]
    code = 'import socket, sys\n' + NO_NETWORK + f'from defect_nbdev.cli.program import main\nsys.exit(max(main(c) for c in {commands!r}))'
    return subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, env=env, timeout=300)

NO_NETWORK = '''
def _no(self, address, *_):
    if isinstance(address, tuple) and address[0] not in ('127.0.0.1', 'localhost', '::1'): raise SystemExit(f'asked the network: {address}')
    return _connect(self, address)
_connect, socket.socket.connect = socket.socket.connect, _no
'''
OURS = {'.cache/matplotlib'}       # Matplotlib's list of fonts, which every program with Matplotlib makes

def test_the_home_holds_nothing_of_others(run, washer, tmp_path):
    pytest.importorskip('onnxscript')
    pytest.importorskip('openvino')
    home, mine = tmp_path/'home', tmp_path/'run'
    home.mkdir()
    shutil.copytree(run, mine)
    verbs = [(('export', mine, '--to', kind, '-n', 4, '--photos', washer), ('predict', mine, washer/'test', '--backend', kind)) for kind in ('onnx', 'openvino')]
    r = at_home(home, *sum(verbs, ()))
    assert r.returncode == 0, r.stderr
    made = {str(p.relative_to(home)) for p in home.rglob('*') if p.is_file() and str(p.parent.relative_to(home)) not in OURS}
    assert not made, made

def test_a_home_that_cannot_be_written(run, washer, tmp_path):
    photo = next((washer/'test').rglob('*.png'))
    r = at_home('/dev/null/x', ('predict', run, photo, '-o', tmp_path/'out', '--overlays'), ('test', run, washer))
    assert r.returncode == 0 and len(r.stderr.splitlines()) == 1 and r.stderr.startswith('engine: '), r.stderr

def test_packages_are_told_to_be_silent():
    code = "from defect_nbdev.core.errors import need\nneed('json', 'x')\nimport os\nprint(os.environ['ORT_DISABLE_TELEMETRY'])"
    assert subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, env={k: v for k, v in os.environ.items() if k != 'ORT_DISABLE_TELEMETRY'}).stdout == '1\n'

# ---- small ones

def test_an_engine_that_says_nothing(tmp_path, monkeypatch):
    import defect_nbdev.deploy.engines as engines
    def silent(*_): raise RuntimeError
    monkeypatch.setattr(engines, '_onnx', silent)
    with pytest.raises(UserError, match='RuntimeError.*choose another backend'): engines.open_engine('model.onnx')

def test_words_of_a_rule():
    from defect_nbdev.metrics.thresholds import decide, decision_text
    y, p = np.arange(40) % 2 == 0, np.linspace(0, 1, 40)
    d = decide(y, p, max_review=.1)
    assert d['rule'].startswith('fewest errors') and 'cost' not in d['asked']
    assert d['fail_at'] == decide(y, p, cost=(1, 1), max_review=.1)['fail_at']
    assert 'confidence' not in decision_text(decide(y, p, max_escape=.1, confidence=None))

def test_settings_that_would_be_ignored():
    from defect_nbdev.explain.heatmap import heatmap
    from defect_nbdev.explain.shap import check_masker
    from defect_nbdev.models.gap import defect_net
    from defect_nbdev.report.interactive import html_report
    net, x = defect_net('resnet18', None).eval(), torch.rand(1, 3, 64, 64)
    with pytest.raises(UserError, match='takes no max_evals'): heatmap(net, x, 'cam', max_evals=3)
    with pytest.raises(UserError, match='twice'): heatmap(net, x, 'layercam', [list(net.layers)[-1]]*2)
    with pytest.raises(UserError, match='no SHAP masker'): check_masker('blur(²,²)')
    with pytest.raises(UserError, match='no verdict'): html_report('x', [])
