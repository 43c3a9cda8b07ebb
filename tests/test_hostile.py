"Photos and models that are odd, broken or made to do harm: a row with a reason or one sentence, no crash, no code that runs, no file elsewhere."
import hashlib, json, pickle, shutil, struct, zlib
from pathlib import Path
import numpy as np, pandas as pd, pytest
from PIL import Image, PngImagePlugin
from safetensors.numpy import load_file, save_file
from conftest import refused

def png(w, h, rows=b''):
    "A PNG that says it is w x h."
    chunk = lambda k, b: struct.pack('>I', len(b)) + k + b + struct.pack('>I', zlib.crc32(k + b))
    return b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', struct.pack('>IIBBBBB', w, h, 8, 0, 0, 0, 0)) + chunk(b'IDAT', zlib.compress(rows)) + chunk(b'IEND', b'')

BAD = dict(bomb=png(60000, 60000), huge=png(20000, 20000), cut=png(500, 500, b'\0'*1000), no_size=png(0, 0), empty=b'', text=b'%PDF-1.7 not a photo', zeros=bytes(5000))

@pytest.fixture
def odd(tmp_path, washer):
    "A folder with every odd photo, of which some can be read."
    d = tmp_path/'odd'
    d.mkdir()
    im = Image.open(next((washer/'test/spot').iterdir())).convert('RGB')
    g = np.asarray(im.convert('L'))
    for n, b in BAD.items(): (d/f'bad_{n}.png').write_bytes(b)
    whole = (d/'ok.png')
    im.save(whole)
    (d/'bad_half.png').write_bytes(whole.read_bytes()[:len(whole.read_bytes())//2])
    nan = g.astype(np.float32)/255
    nan[3, 3] = np.nan
    Image.fromarray(nan).save(d/'bad_nan.tif')
    Image.fromarray(np.where(np.isnan(nan), 0, nan)).save(d/'float.tif')
    Image.fromarray(g.astype(np.uint16)*257).save(d/'sixteen.png')
    im.convert('1').save(d/'onebit.png')
    im.quantize(16).save(d/'palette.png', transparency=3)
    im.convert('CMYK').save(d/'cmyk.jpg')
    im.save(d/'bad_animated.webp', save_all=True, append_images=[im.rotate(90)])
    im.save(d/'really_a.png', 'jpeg')
    (d/'really_a.png').rename(d/'jpeg_called.png')
    exif = Image.Exif()
    exif[0x0112] = 5
    im.resize((90, 40)).save(d/'mirrored.jpg', exif=exif)
    im.save(d/'profile.png', icc_profile=b'no profile at all')
    text = PngImagePlugin.PngInfo()
    text.add_text('x', 'y'*100_000, zip=True)
    im.save(d/'chatty.png', pnginfo=text)
    for n, s in dict(dot=(1, 1), line=(1, 30000), row=(30000, 1)).items(): Image.new('RGB', s, 'grey').save(d/f'{n}.png')
    return d

def test_photos(defect, run, odd, tmp_path):
    before = {p: p.read_bytes() for p in odd.iterdir()}
    r = defect('predict', run, odd, '-o', tmp_path/'out', '--overlays', '--masks')
    assert r.returncode == 1, r.stderr
    t = pd.read_csv(tmp_path/'out/predictions.csv', keep_default_na=False)
    name = t.path.map(lambda p: Path(p).name)
    assert len(t) == len(before) and set(name[t.verdict == 'ERROR']) == {n for n in name if n.startswith('bad_')}, t[['path', 'verdict', 'error']]
    assert all(Path(p).name in e and '\n' not in e for p, e in zip(t.path, t.error) if e)
    assert 'has 2 pages' in t.error[name == 'bad_animated.webp'].item()                       # nobody would have looked at the second one
    assert 'million pixels' in t.error[name == 'bad_bomb.png'].item() and 'million pixels' in t.error[name == 'bad_huge.png'].item()
    assert {p: p.read_bytes() for p in odd.iterdir()} == before and sorted(p.name for p in tmp_path.iterdir()) == ['odd', 'out']

class Harm:
    "Whoever unpickles this writes a file."
    def __init__(self, to): self.to = str(to)
    def __reduce__(self): return open, (self.to, 'w')

def with_hash(b):
    "The bundle, with the hash that fits its weights."
    i = json.loads((b/'model.json').read_text())
    i['weights_sha256'] = hashlib.sha256((b/'model.safetensors').read_bytes()).hexdigest()
    (b/'model.json').write_text(json.dumps(i))

def change(b, **kw):
    i = json.loads((b/'model.json').read_text())
    i.update(kw)
    (b/'model.json').write_text(json.dumps(i))

def test_models(defect, run, washer, tmp_path):
    good, out = next((washer/'train/good').iterdir()), tmp_path/'out'
    harm = pickle.dumps(Harm(tmp_path/'harm'))
    def weights(of): return lambda b: ((b/'model.safetensors').write_bytes(of(b)), with_hash(b))
    def nan(b):
        w = load_file(b/'model.safetensors')
        k = next(k for k in w if w[k].dtype.kind == 'f')
        w[k] = np.full_like(w[k], np.nan)
        save_file(w, b/'new')
        d = (b/'new').read_bytes()
        (b/'new').unlink()
        return d
    def infinite(b):
        w = load_file(b/'model.safetensors')
        k = next(k for k in w if w[k].dtype.kind == 'f')
        w[k][:] = np.inf
        save_file(w, b/'new')
        d = (b/'new').read_bytes()
        (b/'new').unlink()
        return d
    header = lambda n, b=b'{}': struct.pack('<Q', n) + b
    cases = {'wrong hash': (lambda b: (b/'model.safetensors').write_bytes(b'x'), 'SHA-256 differs'), 'pickle as weights': (weights(lambda b: harm), 'damaged'), 'pickle as json': (lambda b: (b/'model.json').write_bytes(harm), 'damaged'),
        'header of 2^62 bytes': (weights(lambda b: header(2**62)), 'damaged'), 'header past the end': (weights(lambda b: header(10**6)), 'damaged'), 'offsets past the end': (weights(lambda b: header(60, json.dumps(dict(w=dict(dtype='F32', shape=[9**9], data_offsets=[0, 9**9]))).encode().ljust(60))), 'damaged'),
        'NaN': (weights(nan), 'NaN or infinity'), 'infinity': (weights(infinite), 'NaN or infinity'), 'newer': (lambda b: change(b, schema=3), 'newer version'), 'other frozen weights': (lambda b: change(b, frozen=dict(file='../../../etc/passwd', sha256='0'*64)), 'does not ship'),
        'huge net': (lambda b: change(b, net=json.loads((b/'model.json').read_text())['net'] | dict(outputs=2**40)), 'outputs'), 'huge input': (lambda b: change(b, size=10**6), 'size'), 'path as hash': (lambda b: change(b, weights_sha256='../../etc/passwd'), 'weights_sha256'), 'no backbone': (lambda b: change(b, net=dict(backbone='__import__')), '__import__')}
    for what, (harmed, word) in cases.items():
        b = tmp_path/'b'
        shutil.rmtree(b, ignore_errors=True)
        shutil.copytree(run/'bundle', b)
        harmed(b)
        r = defect('predict', b, good, '-o', out)
        refused(r, word)
        assert str(b) in r.stderr, what
    assert sorted(p.name for p in tmp_path.iterdir()) == ['b']

def test_a_pickle_beside_the_model_is_never_opened(defect, run, washer, tmp_path):
    b = tmp_path/'b'
    shutil.copytree(run/'bundle', b)
    for n in ('model.pkl', 'model.pth', 'export.pkl', '__init__.py'): (b/n).write_bytes(pickle.dumps(Harm(tmp_path/'harm')))
    assert defect('predict', b, next((washer/'train/good').iterdir()), '-o', tmp_path/'out').returncode == 0 and not (tmp_path/'harm').exists()
