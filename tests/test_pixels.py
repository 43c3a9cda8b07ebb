"What a pixel means: black and white of a data set, pages, how a photo lies, what a mask shows. Each row has its right value."
import io, json, shutil, struct, zlib
from pathlib import Path
import numpy as np, pandas as pd, pytest
from PIL import Image, ImageDraw
from conftest import refused
from defect_nbdev.core.errors import UserError
from defect_nbdev.core.files import page_of, sha256
from defect_nbdev.data.decode import frame_of, turned
from defect_nbdev.data.images import Pixels, read_image
from defect_nbdev.data.masks import check_masks, mask_rule, read_mask, read_truth
from defect_nbdev.data.pixels import decide_pixels, pixels_text, with_pixels
from defect_nbdev.data.samples import samples
from defect_nbdev.data.split import together

rng = np.random.default_rng(0)
GREY = (np.linspace(0, 220, 48)[:, None] + rng.integers(0, 36, (48, 64))).astype(np.uint8)

def values(im): return np.asarray(im)[..., 0]

def deep_png(a, sbit=None):
    "A PNG of 16 bits with 1 to 4 channels, which Pillow cannot write."
    a = a if a.ndim == 3 else a[..., None]
    chunk = lambda k, b: struct.pack('>I', len(b)) + k + b + struct.pack('>I', zlib.crc32(k + b))
    head = struct.pack('>IIBBBBB', a.shape[1], a.shape[0], 16, {1: 0, 2: 4, 3: 2, 4: 6}[a.shape[2]], 0, 0, 0)
    bits = chunk(b'sBIT', bytes([sbit]*a.shape[2])) if sbit else b''
    return b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', head) + bits + chunk(b'IDAT', zlib.compress(b''.join(b'\0' + r.astype('>u2').tobytes() for r in a))) + chunk(b'IEND', b'')

def tiff(a, order='<', photometric=1, planar=1, **tags):
    "An uncompressed TIFF of any dtype and number of channels; tags by number as t339=2."
    a = np.asarray(a)
    n = 1 if a.ndim == 2 else a.shape[2]
    kind = dict(u=1, i=2, f=3)[a.dtype.kind]
    bits = a.dtype.itemsize*8
    data = a.astype(a.dtype.newbyteorder(order)).tobytes()
    ifd = {256: a.shape[1], 257: a.shape[0], 258: (bits,)*n, 259: 1, 262: 2 if n > 2 else photometric, 273: 8, 277: n, 278: a.shape[0], 279: len(data), 284: planar, 339: (kind,)*n} | {int(k[1:]): v for k, v in tags.items()}
    out, extra, at = [], b'', 8 + len(data)
    for tag, v in sorted(ifd.items()):
        v = v if isinstance(v, tuple) else (v,)
        code, size = ('f', 4) if any(isinstance(x, float) for x in v) else ('I', 4)
        raw = struct.pack(f'{order}{len(v)}{code}', *v)
        if len(raw) > 4: raw, extra = struct.pack(f'{order}I', at + 2 + 12*len(ifd) + 4 + len(extra)), extra + raw
        out.append(struct.pack(f'{order}HHI', tag, 11 if code == 'f' else 4, len(v)) + raw)
    head = (b'II*\0' if order == '<' else b'MM\0*') + struct.pack(f'{order}I', at)
    return head + data + struct.pack(f'{order}H', len(out)) + b''.join(out) + struct.pack(f'{order}I', 0) + extra

CAMERA = Pixels(integer=(0, 4095))
WIDE = GREY.astype(np.uint16)*16 + 9

@pytest.mark.parametrize('name, content', {
    'grey.png': deep_png(WIDE), 'colour.png': deep_png(np.stack([WIDE]*3, -1)), 'alpha.png': deep_png(np.stack([WIDE, np.full_like(WIDE, 65535)], -1)),
    'rgba.png': deep_png(np.stack([WIDE]*3 + [np.full_like(WIDE, 65535)], -1)), 'grey.tif': tiff(WIDE), 'motorola.tif': tiff(WIDE, '>'), 'colour.tif': tiff(np.stack([WIDE]*3, -1)),
    'colour_motorola.tif': tiff(np.stack([WIDE]*3, -1), '>'), 'signed.tif': tiff(WIDE.astype(np.int16)), 'uint32.tif': tiff(WIDE.astype(np.uint32)), 'int32.tif': tiff(WIDE.astype(np.int32))}.items())
def test_a_12_bit_photo_in_any_file(tmp_path, name, content):
    f = tmp_path/name
    f.write_bytes(content)
    assert (values(read_image(f, CAMERA)) == GREY).all()
    assert decide_pixels([f]*3) == CAMERA
    assert read_image(f, Pixels(integer=(0, 1000))).info['outside'] == (WIDE > 1000).mean()

@pytest.mark.parametrize('a, pixels, want', [
    (GREY > 100, None, (GREY > 100)*255), (GREY.astype(np.int64), Pixels((0, 255)), GREY), (GREY.astype(np.uint32)*2**24, Pixels((0, 2**32 - 1)), GREY), (GREY.astype(np.uint64)*2**40, Pixels((0, 2**48 - 1)), GREY),
    (GREY.astype(np.int16) - 100, Pixels((-100, 155)), GREY), (GREY/255, None, GREY), ((GREY/255).astype(np.float32), None, GREY), ((GREY/255).astype(np.float16), None, GREY), (GREY.astype(float), Pixels(floating=(0, 255)), GREY), (GREY.astype(np.uint16)*257, None, GREY)])
def test_arrays_and_images_in_memory(a, pixels, want):
    assert (values(read_image(a, pixels)) == want).all() and (values(read_image(np.stack([a]*3, -1), pixels)) == want).all()
    if a.dtype in (np.uint16, np.float32): assert (values(read_image(Image.fromarray(a), pixels)) == want).all()

@pytest.mark.parametrize('a, word', [(GREY.astype(d), 'no usual black and white') for d in (np.int8, np.int16, np.int32, np.int64, np.uint32, np.uint64)]
                         + [(GREY.astype(np.float32), 'outside 0..1'), (GREY/255 + .02, 'outside 0..1'), (GREY/255 - .02, 'outside 0..1'), (np.where(GREY == 7, np.nan, 0), 'no numbers'), (np.where(GREY > 7, np.inf, 0), 'no numbers'), (GREY*1j, 'no image')])
def test_nothing_is_guessed(a, word):
    with pytest.raises(UserError, match=word): read_image(a)
    if a.dtype == np.int32:
        with pytest.raises(UserError, match=word): read_image(Image.fromarray(a))
        with pytest.raises(UserError, match=word): read_image(a, Pixels())      # a data set of 8-bit files has decided nothing for them

def save(d, i, a, end='tif'):
    Image.fromarray(a).save(d/f'{i:03}.{end}')
    return d/f'{i:03}.{end}'

def test_one_pixel_and_one_photo_decide_nothing(tmp_path):
    unit = (GREY/255).astype(np.float32)
    fs = [save(tmp_path, i, unit*(.3 + .7*(i % 2))) for i in range(20)]
    assert decide_pixels(fs) == Pixels()
    hot = unit.copy()
    hot[5, 5] = 1.01
    f = save(tmp_path, 0, hot)
    assert decide_pixels(fs) == Pixels()
    assert np.abs(values(read_image(f, Pixels())).astype(int) - GREY).max() <= (255 - GREY[5, 5]) and (values(read_image(f, Pixels())) != GREY).sum() == 1
    save(tmp_path, 1, unit*200)
    assert decide_pixels(fs) == Pixels()
    with pytest.raises(UserError, match='--range'): decide_pixels([save(tmp_path, 40 + i, unit*2 - 1) for i in range(6)])
    with pytest.raises(UserError, match='--range'): decide_pixels([save(tmp_path, 50 + i, unit*1.6) for i in range(6)])
    assert decide_pixels([save(tmp_path, 60 + i, unit*255) for i in range(6)]).floating == (0, 255) and decide_pixels([save(tmp_path, 70 + i, unit*65535) for i in range(6)]).floating == (0, 65535)
    for bits in 8, 10, 12, 14, 16:
        ds = [save(tmp_path, 100 + i, (unit*(.4 + .6*(i % 2))*(2**bits - 1)).astype(np.uint16), 'png') for i in range(8)]
        assert decide_pixels(ds).integer == (0, 2**bits - 1), bits
    save(tmp_path, 100, np.full((48, 64), 65535, np.uint16), 'png')
    assert decide_pixels(ds).integer == (0, 65535)
    twelve = [save(tmp_path, 200 + i, WIDE, 'png') for i in range(9)] + [save(tmp_path, 209, np.full((48, 64), 65535, np.uint16), 'png')]
    assert decide_pixels(twelve) == CAMERA

def test_tags(tmp_path):
    dark = WIDE//8
    def many(content, n=4, end='tif'):
        for i in range(n): (tmp_path/f'{i}.{end}').write_bytes(content(i))
        return [tmp_path/f'{i}.{end}' for i in range(n)]
    assert decide_pixels(many(lambda i: tiff(dark))).integer == (0, 1023)
    assert decide_pixels(many(lambda i: tiff(dark, t281=16383))).integer == (0, 16383)          # MaxSampleValue of the camera
    assert decide_pixels(many(lambda i: tiff(dark, t281=int(dark.max()) - i))).integer == (0, 1023)     # of each photo: says nothing
    assert decide_pixels(many(lambda i: tiff(dark, t281=65535))).integer == (0, 1023)           # of the file: says nothing
    assert decide_pixels(many(lambda i: tiff((dark/500).astype(np.float32), t340=-1., t341=5.))).floating == (-1, 5)
    assert decide_pixels(many(lambda i: deep_png(dark, 12), end='png')) == CAMERA
    assert decide_pixels(many(lambda i: deep_png(GREY.astype(np.uint16)*257, 12), end='png')).integer == (0, 65535)   # scaled, as PNG wants it
    f = tmp_path/'white.tif'
    f.write_bytes(tiff(WIDE, photometric=0))
    assert (values(read_image(f, CAMERA)) == 255 - GREY).all()      # 0 is white
    f = tmp_path/'x.pgm'
    f.write_bytes(b'P5 64 48 4095\n' + WIDE.astype('>u2').tobytes())
    assert np.abs(values(read_image(f)).astype(int) - GREY).max() <= 1 and np.abs(values(read_image(f, CAMERA)).astype(int) - GREY).max() <= 1 and decide_pixels([f]) == Pixels()

def test_16_bit_colours_that_are_compressed_or_in_planes(tmp_path):
    rgb = np.stack([WIDE, WIDE//2, WIDE//3], -1)
    raw, z, f = tiff(rgb), zlib.compress(rgb.tobytes()), tmp_path/'a.tif'
    at, b = struct.unpack('<I', raw[4:8])[0], bytearray(raw)
    b[8:8 + rgb.nbytes] = z + bytes(rgb.nbytes - len(z))
    for i in range(struct.unpack('<H', raw[at:at + 2])[0]):
        p = at + 2 + 12*i
        tag, = struct.unpack('<H', raw[p:p + 2])
        if tag in (259, 279): b[p + 8:p + 12] = struct.pack('<I', 8 if tag == 259 else len(z))
    f.write_bytes(b)
    assert (np.asarray(read_image(f, CAMERA)) == rgb//16).all()
    f.write_bytes(tiff(rgb, planar=2))
    with pytest.raises(UserError, match='a.tif keeps colours .* in planes'): read_image(f, CAMERA)      # Pillow would show garbage

def test_mixed_depths(tmp_path):
    eight, wide = [save(tmp_path, i, GREY, 'png') for i in range(4)], [save(tmp_path, 10 + i, WIDE, 'png') for i in range(4)]
    t = with_pixels(pd.DataFrame(dict(path=[*map(str, eight), *map(str, wide)])))
    assert Pixels.of(t) == CAMERA
    assert all((values(read_image(p, Pixels.of(t))) == GREY).all() for p in t.path)
    assert pixels_text(CAMERA, t.path) == 'pixels: 16-bit files hold 12-bit values, 0..4095 (4 of 8 files)' and pixels_text(CAMERA, eight) == ''
    assert decide_pixels(t.path, (0, 5000)).integer == (0, 5000)

def to_12_bits(folder, to):
    "The same photos as a 12-bit camera would save them."
    for p in folder.rglob('*.png'):
        q = to/p.relative_to(folder)
        q.parent.mkdir(parents=True, exist_ok=True)
        if 'ground_truth' in p.parts: q.write_bytes(p.read_bytes())
        else: q.write_bytes(deep_png(np.asarray(Image.open(p).convert('RGB')).astype(np.uint16)*16 + 5))
    return to

def test_a_12_bit_data_set_from_training_to_inspection(defect, small, tmp_path):
    from defect_nbdev.deploy.inspector import Inspector
    wide, said = to_12_bits(small, tmp_path/'wide'), []
    for name, source in dict(eight=small, wide=wide).items():
        r = defect('train', source, '-o', tmp_path/name/'run', '--method', 'vgg16-gap', '--epochs', 1, '--size', 32, '--no-export')
        assert r.returncode == 0, r.stderr
        said.append([l for l in r.stdout.splitlines() if l.startswith('pixels:')])
    assert said == [[], ['pixels: 16-bit files hold 12-bit values, 0..4095 (all 20 files together)']]
    a, b = Inspector(tmp_path/'eight/run', backend='torch'), Inspector(tmp_path/'wide/run', backend='torch')
    assert b.pixels == CAMERA and a.pixels == Pixels()
    paths = sorted(p.relative_to(small) for p in small.rglob('*.png') if 'ground_truth' not in p.parts)[::3]
    for u, v in zip(a.stream([small/p for p in paths]), b.stream([wide/p for p in paths])): assert u.p_anomaly == v.p_anomaly and np.array_equal(np.asarray(u.image), np.asarray(v.image)) and np.array_equal(u.raw, v.raw)
    later = np.asarray(Image.open(small/paths[0]).convert('RGB')).astype(np.uint16)*16
    later[:9] = 9999      # a later photo, as an array; a part of it is out of range
    one, = b.stream([later])
    assert one.label != 'ERROR' and (np.asarray(one.image)[:9] == 255).all() and np.array_equal(np.asarray(one.image)[9:], np.asarray(Image.open(small/paths[0]).convert('RGB'))[9:])
    r = defect('test', tmp_path/'wide/run', wide)
    assert r.returncode == 0 and 'pixels: 16-bit files hold 12-bit values, 0..4095' in r.stdout, r.stderr
    r = defect('check', wide)
    assert r.returncode == defect('check', small).returncode and '16-bit files hold 12-bit values, 0..4095' in r.stdout, r.stderr
    i = tmp_path/'wide/run/bundle/model.json'
    info = json.loads(i.read_text())
    del info['pixels']
    i.write_text(json.dumps(info))
    assert Inspector(tmp_path/'wide/run', backend='torch').pixels is None                                                  # an older bundle

@pytest.fixture(scope='module')
def two_tables(washer, tmp_path_factory):
    "The same washers in 8 bits and by a 12-bit camera."
    wide = to_12_bits(washer, tmp_path_factory.mktemp('wide'))
    return samples(washer), with_pixels(samples(wide))

def test_everything_that_reads_a_photo(two_tables, tmp_path):
    from defect_nbdev.data.findings import survey
    from defect_nbdev.data.loaders import defect_dls, mean_image
    from defect_nbdev.models.frozen import FrozenFeatures
    from defect_nbdev.models.gap import defect_net
    from defect_nbdev.report.embedding import embedding_html
    from defect_nbdev.runs.check import check_run
    from defect_nbdev.train.patch_input import alignment, photo_size
    a, b = two_tables
    assert Pixels.of(b) == CAMERA and (a.label == b.label).all()
    for f in (lambda t: mean_image(t, 32), lambda t: np.array(alignment(t)), lambda t: np.array(photo_size(t)), lambda t: survey(t.path, False, Pixels.of(t))[1],
              lambda t: defect_dls(t, 32, aug='rotate', device='cpu', seed=1).train.dataset[3][0]): assert np.array_equal(np.asarray(f(a)), np.asarray(f(b)))
    xy = np.random.default_rng(0).normal(size=(len(a), 2))
    assert embedding_html(xy, a.assign(split='train')) == embedding_html(xy, b.assign(split='train'))
    net, few = defect_net(weights=None), b.path[:2].tolist()
    store = lambda pixels: FrozenFeatures(net, 32, folder=tmp_path, progress=False, pixels=pixels)
    right, dark = [np.stack(store(p)(few)) for p in (CAMERA, None)]
    assert not np.array_equal(right, dark) and np.array_equal(right, np.stack(store(CAMERA)(few)))      # kept apart in one folder
    assert np.array_equal(right, np.stack(FrozenFeatures(net, 32, progress=False)(a.path[:2].tolist())))
    with pytest.raises(UserError, match='another range of pixels'): store(CAMERA).use(net, 32, Pixels())
    assert [f['kind'] for f in check_run(b.assign(pixels=str(Pixels((0, 900)))), bar=False)['findings']][0] == 'outside the range'

@pytest.mark.parametrize('method', ['patch', 'adacos'])
def test_other_methods(two_tables, method):
    from defect_nbdev.train.metric import fit_metric
    from defect_nbdev.train.patch import fit_patches
    from defect_nbdev.deploy.bundle import model_info
    got = []
    for t in two_tables:
        t = t.assign(split=['test' if i % 4 == 0 else 'valid' if i % 4 == 1 else 'train' for i in range(len(t))])
        fitted = fit_patches(t, size=64, steps=10, bar=False) if method == 'patch' else fit_metric(t, epochs=1, size=64, frozen='all', bar=False, device='cpu')
        got.append((fitted.validation.p.values, fitted.probabilities(t.path[:3]), model_info(fitted)['pixels']))
    assert np.allclose(got[0][0], got[1][0]) and np.allclose(got[0][1], got[1][1]) and got[1][2] == str(CAMERA) and got[0][2] == str(Pixels())

def pages(f, n=3, **kw):
    ims = [Image.fromarray(np.roll(GREY, 7*i, 1)).convert('RGB') for i in range(n)]
    ims[0].save(f, save_all=True, append_images=ims[1:], **kw)
    return [np.asarray(o) for o in ims]

@pytest.mark.parametrize('name', ['a.tif', 'a.gif', 'a.webp', 'a.png', 'part#2.tif'])
def test_pages(defect, run, tmp_path, name):
    f = tmp_path/name
    want = pages(f, **dict(lossless=True) if name == 'a.webp' else {})
    with pytest.raises(UserError, match='has 3 pages.*#1 to .*#3'): read_image(f)
    with pytest.raises(UserError, match='no page 4'): read_image(f'{f}#4')
    for i, w in enumerate(want, 1): assert np.abs(np.asarray(read_image(f'{f}#{i}')).astype(int) - w).mean() < 3
    assert len({sha256(f'{f}#{i}') for i in (1, 2, 3)}) == 3 and page_of(f'{f}#3') == (str(f), 3) and page_of(f) == (str(f), None)
    with pytest.raises(UserError, match='3 pages'), Image.open(f) as im: read_image(im)
    r = defect('predict', run, f, f'{f}#2', '-o', tmp_path/'out')
    t = pd.read_csv(tmp_path/'out/predictions.csv', keep_default_na=False)
    assert t.verdict.tolist()[0] == 'ERROR' and '#1' in t.error[0] and t.verdict[1] != 'ERROR' and t.path[1] == f'{f}#2', r.stderr
    assert len(set(together(pd.DataFrame(dict(path=[f'{f}#1', f'{f}#2'], group=''))))) == 1                                  # pages of one file stay on one side

def test_what_is_no_page(tmp_path):
    big, small = Image.fromarray(GREY), Image.fromarray(GREY[::2, ::2])
    small.encoderinfo = dict(tiffinfo={254: 1})
    big.save(tmp_path/'pyramid.tif', save_all=True, append_images=[small])
    assert (values(read_image(tmp_path/'pyramid.tif')) == GREY).all()
    big.convert('RGB').save(tmp_path/'phone.jpg', 'MPO', save_all=True, append_images=[small.convert('RGB')])
    b = (tmp_path/'phone.jpg').read_bytes()
    assert Image.open(io.BytesIO(b)).format == 'MPO'
    at = b.index(b'MPF\0') + 4
    entries = [i for i in range(at, at + 200) if b[i:i + 4] in (struct.pack('<I', 0x020002), struct.pack('>I', 0x020002))]
    plain = b.replace(struct.pack('<I', 0x020002), struct.pack('<I', 0), 2) if entries else b
    (tmp_path/'gain.jpg').write_bytes(plain)
    assert np.abs(values(read_image(tmp_path/'gain.jpg')).astype(int) - GREY).mean() < 12      # a map of brightness is no page
    if entries:
        with pytest.raises(UserError, match='2 pages'): read_image(tmp_path/'phone.jpg')                                     # two views are
    assert read_image(f'{tmp_path}/gain.jpg#1').size == big.size

def test_names_that_look_like_pages(tmp_path):
    save(tmp_path, 1, GREY, 'png').rename(tmp_path/'part #4.png')
    assert read_image(tmp_path/'part #4.png').size == (64, 48)
    Image.fromarray(GREY).save(tmp_path/'b.png')
    (tmp_path/'b.png').rename(tmp_path/'b#2')
    assert read_image(tmp_path/'b#2').size == (64, 48)
    with pytest.raises(UserError, match='does not exist'): read_image(tmp_path/'nothing.png#2')

@pytest.mark.parametrize('end', ['jfif', 'jpe', 'gif', 'ppm', 'pgm', 'pnm', 'dib', 'avif', 'heic', 'heif'])
def test_other_endings(tmp_path, end):
    kind = dict(jfif='JPEG', jpe='JPEG', ppm='PPM', pgm='PPM', pnm='PPM').get(end)
    if end in ('heic', 'heif'):
        pytest.importorskip('pillow_heif').register_heif_opener()
        kind = 'HEIF'
    f = tmp_path/f'a.{end}'
    Image.fromarray(GREY).save(f, kind, **{} if end in ('gif', 'dib', 'ppm', 'pgm', 'pnm') else dict(quality=95))
    assert np.abs(values(read_image(f)).astype(int) - GREY).mean() < 6

def test_heif_without_its_package(tmp_path, monkeypatch):
    pytest.importorskip('pillow_heif').register_heif_opener()
    Image.fromarray(GREY).save(tmp_path/'a.heic', 'HEIF')
    monkeypatch.setitem(__import__('sys').modules, 'pillow_heif', None)
    with pytest.raises(UserError, match=r"pip install 'defect_nbdev\[heif\]'"): read_image(tmp_path/'a.heic')

DRAWN = Image.new('L', (64, 48))
ImageDraw.Draw(DRAWN).polygon([(5, 4), (40, 8), (12, 30)], fill=255)

@pytest.mark.parametrize('end', ['jpg', 'png', 'tif', 'webp'])
@pytest.mark.parametrize('orientation', range(1, 9))
def test_photo_and_mask_lie_alike(tmp_path, orientation, end):
    exif = Image.Exif()
    exif[0x0112] = orientation
    back = {6: 8, 8: 6}.get(orientation, orientation)
    for size in ((64, 48), (50, 50)):
        upright = DRAWN.resize(size, Image.NEAREST)
        stored, want = turned(upright, back), np.asarray(upright) > 0
        photo, mask = tmp_path/f'p.{end}', tmp_path/'m.png'
        stored.convert('RGB').save(photo, exif=exif, **dict(lossless=True) if end == 'webp' else {})
        assert ((values(read_image(photo)) > 127) != want).mean() < .05 and frame_of(photo).upright == size
        upright.save(mask)
        assert (read_mask(mask, photo) == want).all()      # drawn on the upright photo
        stored.save(mask, exif=exif)
        assert (read_mask(mask, photo) == want).all()      # a mask that says how it lies
        stored.save(mask)
        got = read_mask(mask, photo)      # drawn on the stored photo
        if size == (64, 48) and orientation >= 5 or orientation == 1: assert (got == want).all()
        else: assert (got == (np.asarray(stored) > 0)).all()                                       # the size cannot tell: taken as upright
        t = pd.DataFrame([dict(path=str(photo), mask_path=str(mask))])
        check_masks(t)
        assert (read_truth(next(t.itertuples())) == got).all()
        upright.resize((30, 31)).save(mask)
        for f in (lambda: check_masks(t), lambda: read_truth(next(t.itertuples()))):
            with pytest.raises(UserError, match='30x31 but its photo is') as e: f()
            assert 'resize' not in str(e.value)

@pytest.mark.parametrize('orientation', range(1, 9))
@pytest.mark.parametrize('a', [GREY, WIDE, np.stack([GREY]*3, -1), np.stack([WIDE]*3, -1)], ids=['grey', 'wide', 'colour', 'wide colour'])
def test_a_tiff_that_lies(tmp_path, a, orientation):
    "Pillow maps a plain grey TIFF into memory by the size of the upright photo, and shows garbage."
    for order in '<>':
        f = tmp_path/'a.tif'
        f.write_bytes(tiff(a, order, t274=orientation))
        assert (values(read_image(f, CAMERA)) == np.asarray(turned(Image.fromarray(GREY), orientation))).all()
        with Image.open(f) as im: assert (values(read_image(im, CAMERA)) == np.asarray(turned(Image.fromarray(GREY), orientation))).all()

def test_a_misfit_is_told_by_every_verb(defect, run, washer, tmp_path):
    import shutil
    w = tmp_path/'w'
    shutil.copytree(washer, w)
    m = next((w/'ground_truth').rglob('*.png'))
    Image.new('L', (7, 9), 1).save(m)
    for verb in (['train', w, '-o', tmp_path/'o'], ['test', run, w, '--include-seen'], ['report', run, w, '--include-seen', '-o', tmp_path/'r.html']): refused(defect(*verb), m.name, '7x9', '128x128')
    r = defect('check', w)
    assert r.returncode in (0, 1) and 'mask of another size: 1 mask' in r.stdout and 'resize' not in r.stdout

def test_check_asks_where_the_size_cannot_tell(defect, washer, tmp_path):
    import shutil
    w = tmp_path/'w'
    shutil.copytree(washer, w)
    exif = Image.Exif()
    exif[0x0112] = 6
    p = sorted(p for p in w.rglob('*.png') if 'test' in p.parts and 'good' not in p.parts)[0]
    Image.open(p).save(p, exif=exif)
    r = defect('check', w)
    assert 'mask turned or not: 1 mask' in r.stdout and 'look whether it fits' in r.stdout, r.stdout

IDS = np.where(np.asarray(DRAWN) > 0, 1 + np.arange(64)//22, 0)
def colour(*cs): return np.select([(IDS == i)[..., None] for i in (1, 2, 3)], [np.array(c) for c in cs], np.zeros(len(cs[0]))).astype(np.uint8)
def palette(*cs):
    p = Image.fromarray(IDS.astype(np.uint8)).convert('P')
    p.putpalette([v for c in cs for v in c])
    return p
def clear():
    p = palette((0, 255, 0), (9, 9, 9), (1, 1, 1), (7, 7, 7))
    q = Image.fromarray(np.where(IDS == 0, 2, np.where(IDS == 2, 0, IDS)).astype(np.uint8)).convert('P')
    q.putpalette(p.getpalette())
    return q
def white_first():
    p = Image.fromarray((IDS == 0).astype(np.uint8)).convert('P')
    p.putpalette([255, 255, 255, 0, 0, 0])
    return p

@pytest.mark.parametrize('name, img', {
    'ids.png': IDS.astype(np.uint8), 'one_bit.png': DRAWN.convert('1'), 'sixteen.png': (IDS*1000).astype(np.uint16), 'ids.tif': IDS.astype(np.int32), 'float.tif': IDS.astype(np.float32), 'black_entry.png': palette((0, 0, 0), (0, 0, 0), (9, 9, 9), (255, 0, 0)),
    'red_ground.png': palette((255, 0, 0), (1, 2, 3), (9, 9, 9), (7, 7, 7)), 'white_first.png': white_first(), 'colour.png': colour((0, 0, 1), (255, 0, 0), (0, 9, 0)), 'ink.png': np.dstack([np.zeros((48, 64, 3), np.uint8), (IDS > 0).astype(np.uint8)*255]),
    'red_ink.png': np.dstack([colour((255, 0, 0), (0, 0, 0), (0, 9, 0)), (IDS > 0).astype(np.uint8)*200]), 'opaque.png': np.dstack([colour((255, 0, 0), (0, 0, 8), (0, 9, 0)), np.full((48, 64), 255, np.uint8)]), 'ids.gif': IDS.astype(np.uint8), 'ids.bmp': IDS.astype(np.uint8)}.items())
def test_any_value_above_0_is_defect(tmp_path, name, img):
    (img if isinstance(img, Image.Image) else Image.fromarray(img)).save(tmp_path/name)
    assert (read_mask(tmp_path/name) == (IDS > 0)).all() and mask_rule(tmp_path/name) == 'any value above 0'

def test_a_palette_with_a_clear_ground(tmp_path):
    clear().save(tmp_path/'a.png', transparency=2)
    assert (read_mask(tmp_path/'a.png') == (IDS > 0)).all()

def test_grey_pictures(tmp_path):
    smooth = DRAWN.resize((640, 480), Image.NEAREST)
    for name, img, kw in (('a.jpg', smooth, dict(quality=50)), ('a.webp', smooth, dict(quality=50)), ('aa.png', smooth.resize((200, 150), Image.BICUBIC), {})):
        img.save(tmp_path/name, **kw)
        want = np.asarray(smooth.resize(img.size, Image.NEAREST)) > 0
        assert (read_mask(tmp_path/name) != want).mean() < .01 and 'half' in mask_rule(tmp_path/name)
    (tmp_path/'000').mkdir()
    for i in (1, 2, 3): Image.fromarray((IDS == i).astype(np.uint8)*(230 + i)).save(tmp_path/f'000/{i:03}.png')
    assert (read_mask(tmp_path/'000') == (IDS > 0)).all()

def test_boxes_are_truth():
    from defect_nbdev.deploy.verdict import Verdict
    m = read_truth(Verdict('a.png', size=(20, 30), truth_boxes='2,3,5,7;28,0,99,2'))
    assert m.shape == (20, 30) and m.sum() == 3*4 + 2*2 and m[3:7, 2:5].all() and m[:2, 28:].all()
    assert read_truth(Verdict('a.png', size=(20, 30))) is None
    with pytest.raises(UserError, match='not understood'): read_truth(Verdict('a.png', size=(20, 30), truth_boxes='1,2,3'))

def test_a_table_without_the_new_columns(washer):
    t = samples(washer)[['path', 'label', 'defect', 'mask_path', 'split', 'group']]
    assert Pixels.of(t) is None and Pixels.of(with_pixels(t)) == Pixels()

# What is drawn for a photo of 0..255 of each label -> the findings that check and train name
SHORTCUTS = {
    '12 bits and 16': (lambda a: (a*16).astype(np.uint16), lambda a: (a*256).astype(np.uint16), 'tif', {'ranges', 'shortcut'}),
    '40 % as bright': (lambda a: a.astype(np.uint8), lambda a: (a*.4).astype(np.uint8), 'png', {'shortcut'}),
    'bright bad ones': (lambda a: (a*.4).astype(np.uint8), lambda a: a.astype(np.uint8), 'png', {'shortcut'}),
    'floats of 1 and 255': (lambda a: (a/255).astype(np.float32), lambda a: a.astype(np.float32), 'tif', {'ranges', 'shortcut'}),
    'alike': (lambda a: a.astype(np.uint8), lambda a: (a*.9).astype(np.uint8), 'png', set()), 'alike, 12 bits': (lambda a: (a*16).astype(np.uint16), lambda a: (a*12).astype(np.uint16), 'tif', set()),
}
@pytest.mark.parametrize('name', SHORTCUTS)
def test_light_or_range_tells_the_label(name, tmp_path):
    from defect_nbdev.data.check import check, quick_check
    good, bad, ending, kinds = SHORTCUTS[name]
    rng = np.random.default_rng(1)
    for label, draw, n in (('good', good, 12), ('bad', bad, 6)):
        (tmp_path/label).mkdir()
        for i in range(n): Image.fromarray(draw(np.clip(GREY*rng.uniform(.8, 1) + rng.integers(0, 20, GREY.shape), 0, 250))).save(tmp_path/label/f'{label}{i}.{ending}')
    t = samples(tmp_path)
    for found in (quick_check(t, tmp_path), check(t, tmp_path, progress=False)['findings']): assert {f['kind'] for f in found} & {'ranges', 'shortcut'} == kinds, found

def ground(white, mode, defect):
    "A mask whose ground is white or black."
    im = Image.new(mode, (64, 48), white)
    ImageDraw.Draw(im).rectangle([20, 10, 30, 20], fill=defect)
    return im

@pytest.mark.parametrize('draw, inverted', [(lambda: ground('white', 'RGB', 'red'), True), (lambda: ground(255, 'L', 0), True), (lambda: ground(65535, 'I;16', 0), True), (lambda: ground(0, 'L', 255), False), (lambda: ground('black', 'RGB', 'red'), False)])
def test_inverted_masks_are_reported(tmp_path, draw, inverted):
    from defect_nbdev.data.check import check, quick_check
    (tmp_path/'masks').mkdir()
    for label, n in (('good', 8), ('bad', 5)):
        (tmp_path/label).mkdir()
        for i in range(n):
            Image.fromarray(GREY + np.uint8(i)).save(tmp_path/label/f'{label}{i}.png')
            if label == 'bad': draw().save(tmp_path/f'masks/{label}{i}.png')
    t = samples(tmp_path)
    for found in (quick_check(t, tmp_path), check(t, tmp_path, progress=False)['findings']):
        texts = [f['text'] for f in found if f['kind'] == 'inverted mask']
        assert len(texts) == inverted and all('white must be the defect' in x for x in texts), found

def test_whatever_a_notebook_may_pass(run, washer, tmp_path):
    import torch
    from defect_nbdev.deploy.inspector import Inspector
    inspector = Inspector(run, device='cpu')
    paths = sorted(map(str, (washer/'train/good').iterdir()))[:3]
    p, data, want = paths[0], Path(paths[0]).read_bytes(), inspector.predict(paths[0]).p_anomaly
    class Named:
        def __fspath__(self): return p
    for one in (Path(p), Named(), data, bytearray(data), memoryview(data), io.BytesIO(data), open(p, 'rb'), np.str_(p)):
        assert inspector.predict(one).p_anomaly == pytest.approx(want, abs=1e-6), type(one)
    wide = io.BytesIO()
    Image.fromarray(np.full((64, 64), 40000, np.uint16)).save(wide, 'png')      # left at its end
    assert inspector.predict(wide).size == (64, 64)
    many = lambda source: [v.path for v in inspector.predict(source, progress=False)]
    folder = tmp_path/'f'
    folder.mkdir()
    [shutil.copy(q, folder) for q in paths]
    mine = sorted(map(str, folder.iterdir()))
    for source in (np.array(mine), np.array(mine, dtype=object), np.array(mine)[:, None], pd.Series(mine), tuple(mine), (q for q in mine), [folder], [str(folder/'*.png')], [f'{folder}/*.png']):
        assert many(source) == mine, source
    assert many([p, folder]) == [p, *mine] and many([]) == []
    vs = inspector.predict([p, None, data, tmp_path/'gone*.png', 3], progress=False)
    assert [v.label == 'ERROR' for v in vs] == [False, True, False, True, True] and 'A NoneType is no photo: pass the path' in vs[1].error
    for odd in (None, 3, 2.5, object(), {}, {'a': p}, pd.DataFrame(dict(path=[p])), torch.zeros(3, 64, 64), [[1, 2], [3, 4]], [torch.zeros(3, 8, 8)], [None], [paths], open(__file__), b'', b'no photo', io.StringIO('x'), np.zeros((2, 8, 8, 3))):
        with pytest.raises(UserError) as e: inspector.predict(odd)
        assert len(str(e.value)) < 260 and '\n' not in str(e.value), e.value
    with pytest.raises(UserError, match='A Tensor is no photo and no list'): inspector.predict(torch.zeros(3, 64, 64))

def test_heic_without_the_extra_names_it(monkeypatch, defect, run, tmp_path):
    import sys
    monkeypatch.setitem(sys.modules, 'pillow_heif', None)
    (tmp_path/'in').mkdir()
    (tmp_path/'in/a.heic').write_bytes(b'\0\0\0\x18ftypheic\0\0\0\0mif1heic' + b'\0'*500)
    r = defect('watch', run, tmp_path/'in', '-o', tmp_path/'out', '--once', '--settle', '.1')
    assert "defect_nbdev[heif]" in r.stdout + r.stderr + (tmp_path/'out/verdicts.csv').read_text(), (r.stdout, r.stderr)
