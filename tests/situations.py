"""Odd input, one situation each: what is built, which command runs, what it says, and which value is right.

`test_situations.py` runs every row; the page "What we do with odd input" prints the same table."""
import json, os
from dataclasses import dataclass, field
from functools import lru_cache
import numpy as np
from PIL import Image, ImageFilter

@dataclass
class Situation:
    "One row of the table."
    section: str        # Heading
    what: str           # The situation in words
    command: str        # Of the program `defect`; {d} is the folder that was built, {run} a trained model
    build: callable     # Function of the folder
    says: tuple = ()    # Words that the program must say, on the screen or as an error
    never: tuple = ()   # Words that it must not say
    code: int = None    # Exit code; None: 0 or 1
    want: dict = field(default_factory=dict) # Right values, by name of a check in test_situations.py

TABLE, SECTION = [], ['']

def section(name): SECTION[0] = name

def situation(what, command, *says, never=(), code=None, **want):
    "Add the decorated builder as a row; `says` and `want` as in Situation."
    def add(build):
        TABLE.append(Situation(SECTION[0], what, command, build, says, never, code, want))
        return build
    return add

# Material: drawn washers, good and bad, and the masks of the bad ones.

@lru_cache
def washer(i, bad=False, size=64):
    "RGB image and bool mask `[size, size]` of a washer; each number gives another one."
    from defect_nbdev.data.synth import synth_part
    return synth_part(np.random.default_rng(i), size, 'spot' if bad else None)

def grey(i, bad=False): return np.asarray(washer(i, bad)[0].convert('L'))
def mask(i): return Image.fromarray(washer(i, True)[1].astype(np.uint8)*255)

def save(im, p, **kw):
    p.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(im, np.ndarray): im = Image.fromarray(im)
    im.save(p, **kw)

def photos(folder, n=6, bad=False, name='{i:03}.png', like=lambda im: im, first=0):
    "Write n washers into a folder."
    for i in range(first, first + n): save(like(washer(i + 100*bad, bad)[0]), folder/name.format(i=i))

def two(d, good='good', bad='bad', n_good=8, n_bad=6, **kw):
    "A folder for good parts and one for anomalies."
    photos(d/good, n_good, **kw)
    photos(d/bad, n_bad, bad=True, **kw)

def masks(folder, n=6, name='{i:03}_mask.png', like=lambda m: m):
    for i in range(n): save(like(mask(100 + i)), folder/name.format(i=i))

def mvtec(d, n_good=8, n_bad=6):
    "A category in MVTec AD's layout."
    photos(d/'train/good', n_good)
    photos(d/'test/good', 2, first=50)
    photos(d/'test/spot', n_bad, bad=True)
    masks(d/'ground_truth/spot', n_bad)

def csv(d, lines, encoding='utf-8', name='parts.csv'): (d/name).write_bytes('\n'.join(lines).encode(encoding))

def listed(d, sep=',', n_good=8, n_bad=6, path=lambda p: p):
    "Lines of a manifest, and its photos."
    two(d, 'a', 'b', n_good, n_bad)
    rows = [f'{path(f"a/{i:03}.png")}{sep}ok' for i in range(n_good)]
    return rows + [f'{path(f"b/{i:03}.png")}{sep}crack' for i in range(n_bad)]

# ---------------------------------------------------------------------------------------------------------
section('Photos unlike everything learned')
FRAMES = dict(verdict='REVIEW')

def frame(what, **kw):
    "A row: one photo is inspected that shows no part as it should."
    return situation(what, 'predict {run} {d}/x.png', 'REVIEW', 'unlike', never=('PASS',), **FRAMES, **kw)

def one(d, a):
    if isinstance(a, np.ndarray): a = Image.fromarray(a.astype(np.uint8))
    save(a, d/'x.png')

def part(size=128): return washer(900, size=size)[0]

@frame('a black frame: the camera gives nothing')
def _(d): one(d, np.zeros((128, 128, 3)))

@frame('a white frame: the light is far too bright')
def _(d): one(d, np.full((128, 128, 3), 255))

@frame('flat grey: the lens cap is on')
def _(d): one(d, np.full((128, 128, 3), 90))

@frame('noise')
def _(d): one(d, np.random.default_rng(0).integers(0, 256, (128, 128, 3)))

@frame('dark noise: no light')
def _(d): one(d, np.random.default_rng(0).integers(0, 12, (128, 128, 3)))

@frame('another part: a solar cell')
def _(d):
    from defect_nbdev.data.samples import elpv_samples
    one(d, Image.open(elpv_samples().path[5]).convert('RGB').resize((128, 128)))

@frame('an empty fixture: only the background')
def _(d): one(d, np.full((128, 128, 3), 40) + np.random.default_rng(1).normal(0, 4, (128, 128, 1)))

@frame('out of focus')
def _(d): one(d, part().filter(ImageFilter.GaussianBlur(6)))

@frame('overexposed')
def _(d): one(d, np.clip(np.asarray(part(), float)*3, 0, 255))

@frame('a negative')
def _(d): one(d, 255 - np.asarray(part()))

@frame('a strong colour cast')
def _(d): one(d, np.asarray(part(), float)*(1., .4, .2))

@frame('half of the frame is missing: a torn transfer')
def _(d):
    a = np.asarray(part()).copy()
    a[64:] = 0
    one(d, a)

@frame('a hand covers half of the part')
def _(d):
    a = np.asarray(part()).copy()
    a[:, :70] = (200, 150, 120)
    one(d, a)

@frame('salt and pepper: the sensor or its cable is broken')
def _(d):
    a, where = np.array(part()), np.random.default_rng(0).random((128, 128))
    a[where < .01], a[where > .99] = 0, 255
    one(d, a)

@frame('every fourth row is black')
def _(d):
    a = np.array(part())
    a[::4] = 0
    one(d, a)

@frame('one dead row of the sensor')
def _(d):
    a = np.array(part())
    a[30] = 255
    one(d, a)

@frame('saved as JPEG of quality 5')
def _(d):
    save(part(), d/'small.jpg', quality=5)
    one(d, np.array(Image.open(d/'small.jpg')))
    (d/'small.jpg').unlink()

@frame('photographed from much closer')
def _(d): one(d, part(512).crop((200, 0, 328, 128)))

@frame('a camera of another shape')
def _(d): one(d, part().resize((256, 96)))

@situation('unlike photos in a folder', 'predict {run} {d} -o {d}/out', 'unlike', verdicts=dict(REVIEW=2))
def _(d):
    one(d, np.zeros((128, 128, 3)))
    save(np.full((128, 128, 3), 255, np.uint8), d/'y.png')

@situation('unlike photos in a watched folder', 'watch {run} {d} -o {d}-shift --once --settle 0.1', 'REVIEW', 'unlike')
def _(d): one(d, np.zeros((128, 128, 3)))

# ---------------------------------------------------------------------------------------------------------
section('What a pixel means')

def floats(i, bad=False): return grey(i, bad).astype(np.float32)/255

def wide(d, of, n_good=8, n_bad=6):
    "Photos of more than 8 bits, as TIFF; `of` makes an array of a grey one."
    for i in range(n_good): save(of(grey(i)), d/'good'/f'{i:03}.tif')
    for i in range(n_bad): save(of(grey(100 + i, True)), d/'bad'/f'{i:03}.tif')

@situation('one float pixel of 1.01 among photos in 0..1', 'check {d}', 'white at 1', pixels=('good/000.tif', 'like 8 bits'))
def _(d):
    wide(d, lambda g: g.astype(np.float32)/255)
    a = floats(0).copy()
    a[3, 3] = 1.01
    save(a, d/'good/000.tif')

@situation('floats in 0..255', 'check {d}', 'white at 255', pixels=('good/000.tif', 'like 8 bits'))
def _(d): wide(d, lambda g: g.astype(np.float32))

@situation('12-bit values in 16-bit files', 'check {d}', '4095', pixels=('good/000.tif', 'like 8 bits'))
def _(d): wide(d, lambda g: (g.astype(np.uint16)*16 + 8))

@situation('14-bit values in 16-bit files', 'check {d}', '16383', pixels=('good/000.tif', 'like 8 bits'))
def _(d): wide(d, lambda g: (g.astype(np.uint16)*64 + 32))

@situation('8-bit values in 32-bit integers', 'check {d}', '255', pixels=('good/000.tif', 'like 8 bits'))
def _(d): wide(d, lambda g: g.astype(np.int32))

@situation('full 16 bits', 'check {d}', '65535', pixels=('good/000.tif', 'like 8 bits'))
def _(d): wide(d, lambda g: (g.astype(np.uint16)*257))

@situation('a range given by hand', 'check {d} --range 0 1023', '1023', pixels=('good/000.tif', 'like 8 bits', (0, 1023)))
def _(d): wide(d, lambda g: (g.astype(np.uint16)*4 + 2))

@situation('one bit for each pixel', 'check {d}', labels=dict(good=8, anomaly=6))
def _(d): two(d, like=lambda im: im.convert('1'))

@situation('NaN in a float photo', 'predict {run} {d}/x.tif', 'x.tif', code=2)
def _(d):
    a = floats(0).copy()
    a[0, 0] = np.nan
    save(a, d/'x.tif')

@situation('a TIFF of two pages', 'predict {run} {d}/x.tif', 'x.tif', '#1', code=2)
def _(d): save(part(), d/'x.tif', save_all=True, append_images=[washer(901, True, 128)[0]])

@situation('page 2 of a TIFF, named', 'predict {run} {d}/x.tif#2', 'x.tif#2', code=0)
def _(d): save(part(), d/'x.tif', save_all=True, append_images=[washer(901, False, 128)[0]])

@situation('a page that does not exist', 'predict {run} {d}/x.tif#3', 'x.tif', code=2)
def _(d): save(part(), d/'x.tif', save_all=True, append_images=[washer(901, False, 128)[0]])

@situation('a GIF that moves', 'predict {run} {d}/x.gif', 'x.gif', '#1', code=2)
def _(d): save(part().convert('P'), d/'x.gif', save_all=True, append_images=[washer(901, True, 128)[0].convert('P')])

@situation('a WebP that moves', 'predict {run} {d}/x.webp', 'x.webp', '#1', code=2)
def _(d): save(part(), d/'x.webp', save_all=True, append_images=[washer(901, True, 128)[0]])

@situation('a PNG that moves', 'predict {run} {d}/x.png', 'x.png', '#1', code=2)
def _(d): save(part(), d/'x.png', save_all=True, append_images=[washer(901, True, 128)[0]])

@situation('pages in a folder: each is a row with a reason, and the others are inspected', 'predict {run} {d} -o {d}/out', '1 ERROR', code=1)
def _(d):
    save(part(), d/'a.png')
    save(part(), d/'x.tif', save_all=True, append_images=[part()])

def lying(d, orientation, turn, of_mask, size=(64, 48)):
    "Anomalies whose EXIF tag turns them, and their masks; `turn` makes the stored pixels of the upright ones."
    photos(d/'train/good', 8)
    photos(d/'test/good', 2, first=50)
    exif = Image.Exif()
    exif[0x0112] = orientation
    for i in range(6):
        im, m = washer(100 + i, True)[0].resize(size), mask(100 + i).resize(size, Image.Resampling.NEAREST)
        save(im.transpose(turn), d/f'test/spot/{i:03}.jpg', quality=95, exif=exif)
        save(m.transpose(turn) if of_mask == 'stored' else m, d/f'ground_truth/spot/{i:03}_mask.png')

CW, CCW = Image.Transpose.ROTATE_270, Image.Transpose.ROTATE_90

@situation('photos turned by EXIF, masks drawn upright', 'check {d}', never=('another size',), on_defect='spot/000.jpg')
def _(d): lying(d, 6, CCW, 'upright')

@situation('photos turned by EXIF, masks as stored', 'check {d}', never=('another size',), on_defect='spot/000.jpg')
def _(d): lying(d, 6, CCW, 'stored')

@situation('photos turned the other way, masks as stored', 'check {d}', never=('another size',), on_defect='spot/000.jpg')
def _(d): lying(d, 8, CW, 'stored')

@situation('square photos turned by EXIF: a mask fits either way', 'check {d}', 'upright', on_defect='spot/000.jpg')
def _(d): lying(d, 6, CCW, 'upright', (64, 64))

@situation('a mask of another size, in train', 'train {d} -o {d}-run', '_mask.png', '7x7', never=('resize',), code=2)
def _(d):
    mvtec(d)
    save(Image.new('L', (7, 7), 255), d/'ground_truth/spot/000_mask.png')

@situation('a mask of another size, in test', 'test {run} {d}', '_mask.png', '7x7', never=('resize',), code=2)
def _(d):
    mvtec(d)
    save(Image.new('L', (7, 7), 255), d/'ground_truth/spot/000_mask.png')

def ids(m): return np.asarray(m, np.uint8)//255*np.where(np.arange(64) % 2, 1, 2).astype(np.uint8)

@situation('several ids in one mask', 'check {d}', 'above 0', masks='whole')
def _(d):
    mvtec(d)
    masks(d/'ground_truth/spot', like=ids)

@situation('a 16-bit mask whose id is 1000', 'check {d}', masks='whole')
def _(d):
    mvtec(d)
    masks(d/'ground_truth/spot', like=lambda m: (np.asarray(m) > 0).astype(np.uint16)*1000)

@situation('a mask with a palette', 'check {d}', masks='whole')
def _(d):
    def palette(m):
        p = Image.fromarray((np.asarray(m) > 0).astype(np.uint8)).convert('P')
        p.putpalette([0, 0, 0, 20, 0, 0])           # a defect that is nearly black
        return p
    mvtec(d)
    masks(d/'ground_truth/spot', like=palette)

@situation('a soft, grey mask', 'check {d}', 'half', masks='whole')
def _(d):
    mvtec(d)
    for i in range(6):
        soft = mask(100 + i).resize((256, 256)).filter(ImageFilter.GaussianBlur(3)).resize((64, 64))
        save(soft, d/f'ground_truth/spot/{i:03}_mask.png')

# ---------------------------------------------------------------------------------------------------------
section('What a label means')

@situation('rows with an empty label', 'check {d}/parts.csv', 'parts.csv', 'line 4', code=2)
def _(d):
    rows = listed(d)
    rows[2] = 'a/002.png,'
    csv(d, ['path,label', *rows])

@situation('rows whose label is nan', 'check {d}/parts.csv', 'parts.csv', 'line 4', code=2)
def _(d):
    rows = listed(d)
    rows[2] = 'a/002.png,nan'
    csv(d, ['path,label', *rows])

@situation('folders 0 and 1', 'check {d}', '--good', '0', '1', code=2)
def _(d): two(d, '0', '1')

@situation('folders 0 and 1, told', 'check {d} --good 1', 'good = 1', labels=dict(good=6, anomaly=8))
def _(d): two(d, '0', '1')

@situation('a folder unsure beside good and bad', 'check {d}', 'unsure', '--skip', code=2)
def _(d):
    two(d)
    photos(d/'unsure', 3, first=30)

@situation('a folder unsure that is left out', 'check {d} --skip unsure', 'good = good', 'unsure', labels=dict(good=8, anomaly=6), skip=['unsure'])
def _(d):
    two(d)
    photos(d/'unsure', 3, first=30)

@situation('good parts of a second shift', 'check {d}', 'Good_2nd_shift', '--good', code=2)
def _(d):
    two(d)
    photos(d/'Good_2nd_shift', 4, first=30)

@situation('two names that mean good', 'check {d} --good good Good_2nd_shift', 'good = ', labels=dict(good=12, anomaly=6), good=['good', 'Good_2nd_shift'])
def _(d):
    two(d)
    photos(d/'Good_2nd_shift', 4, first=30)

@situation('a name for good that does not exist', 'check {d} --good fine', "'fine'", 'bad', code=2)
def _(d): two(d)

@situation('two folders with names that say nothing', 'check {d}', '--good', 'left', 'right', code=2)
def _(d): two(d, 'left', 'right')

@situation('what was learned as good is said', 'check {d}', 'good = OK', 'anomaly = ', labels=dict(good=8, anomaly=6))
def _(d): two(d, 'OK', 'NG')

@situation('a folder of masks beside the classes', 'check {d}', 'mask', labels=dict(good=8, anomaly=6))
def _(d):
    two(d)
    masks(d/'masks', name='{i:03}.png')

@situation('masks among the photos of a class', 'check {d}', 'mask', labels=dict(good=8, anomaly=6))
def _(d):
    two(d)
    masks(d/'bad')

@situation('a part whose name holds the word mask', 'check {d}', labels=dict(good=8, anomaly=6))
def _(d): two(d, name='gas_mask_{i:03}.png')

@situation('a --group that fits no photo', 'check {d} --group lot_\\d+', 'lot_', code=2)
def _(d): two(d)

@situation('a --group that is no regular expression', 'check {d} --group (', '--group', code=2)
def _(d): two(d)

@situation('a --group with a part that may be missing', 'check {d} --group ^(t\\d)?', 't', groups=2, group='^(t\\d)?')
def _(d):
    two(d)
    photos(d/'good', 2, name='t1_{i:03}.png', first=60)
    photos(d/'good', 2, name='t2_{i:03}.png', first=70)

@situation('three anomalies', 'train {d} -o {d}-run --size 64 --no-export', '3 anomalies are too few to tell how many pass', never=('folds',))
def _(d): two(d, n_good=20, n_bad=3)

@situation('a folder of good parts only', 'train {d} -o {d}-run --size 64 --no-export', 'all of them are taken as good parts', 'Nobody can tell yet how many anomalies pass')
def _(d): photos(d, 12)

@situation('nine good parts and no anomaly', 'train {d} -o {d}-run', '9 good and 0 anomalous parts', '10 good ones alone are enough, so add 1 more', code=2)
def _(d): photos(d, 9)

@situation('class weights that are no numbers', 'train {d} -o {d}-run --class-weights nan:1', 'nan:1', code=2)
def _(d): two(d)

# ---------------------------------------------------------------------------------------------------------
section('Which photos are meant')

@situation('a folder val beside train and test', 'check {d}', labels=dict(good=14, anomaly=12), split=dict(train=10, valid=6, test=10))
def _(d):
    for s, n_good, n_bad, first in (('train', 6, 4, 0), ('val', 2, 4, 20), ('test', 6, 4, 40)): two(d/s, n_good=n_good, n_bad=n_bad, first=first)

@situation('MVTec LOCO: validation, two kinds of anomalies, masks in folders', 'check {d}', 'LOCO', labels=dict(good=12, anomaly=8), masks=8)
def _(d):
    photos(d/'train/good', 6)
    photos(d/'validation/good', 3, first=20)
    photos(d/'test/good', 3, first=40)
    photos(d/'test/logical_anomalies', 4, bad=True)
    photos(d/'test/structural_anomalies', 4, bad=True, first=10)
    for i in range(4):
        save(mask(100 + i), d/f'ground_truth/logical_anomalies/{i:03}/000.png')
        save(mask(110 + i), d/f'ground_truth/structural_anomalies/{i + 10:03}/000.png')

@situation('MVTec AD 2: test_public', 'check {d}', labels=dict(good=11, anomaly=6))
def _(d):
    photos(d/'train/good', 6, name='{i:03}_regular.png')
    photos(d/'validation/good', 3, name='{i:03}_regular.png', first=20)
    photos(d/'test_public/good', 2, name='{i:03}_regular.png', first=40)
    photos(d/'test_public/bad', 6, name='{i:03}_regular.png', bad=True)
    masks(d/'test_public/ground_truth/bad', name='{i:03}_regular_mask.png')

@situation('VisA', 'check {d}', 'VisA', labels=dict(good=8, anomaly=6), masks=6)
def _(d):
    photos(d/'Data/Images/Normal', 8, name='{i:04}.JPG')
    photos(d/'Data/Images/Anomaly', 6, bad=True, name='{i:03}.JPG')
    masks(d/'Data/Masks/Anomaly', name='{i:03}.png')

@situation('BTAD', 'check {d}', labels=dict(good=10, anomaly=6), masks=6)
def _(d):
    photos(d/'train/ok', 8, name='{i:04}.bmp')
    photos(d/'test/ok', 2, name='{i:04}.bmp', first=40)
    photos(d/'test/ko', 6, bad=True, name='{i:04}.bmp')
    masks(d/'ground_truth/ko', name='{i:04}.png')

@situation('KolektorSDD: a mask beside each photo, white only where there is a crack', 'check {d}', labels=dict(good=8, anomaly=6))
def _(d):
    for i in range(14):
        bad = i >= 8
        save(washer(i + 100*bad, bad)[0].convert('L'), d/f'kos{i//2 + 1:02}/Part{i % 2}.jpg')
        save(mask(i + 100) if bad else Image.new('L', (64, 64)), d/f'kos{i//2 + 1:02}/Part{i % 2}_label.bmp')

@situation('KolektorSDD2', 'check {d}', labels=dict(good=8, anomaly=6))
def _(d):
    for i in range(14):
        bad, side = i % 7 >= 4, ('train', 'test')[i // 7]
        save(washer(i + 100*bad, bad)[0], d/f'{side}/{10000 + i}.png')
        save(mask(i + 100) if bad else Image.new('L', (64, 64)), d/f'{side}/{10000 + i}_GT.png')

def coco(d):
    images, boxes = [], []
    for i in range(14):
        bad = i >= 8
        save(washer(i + 100*bad, bad)[0], d/f'images/{i:03}.png')
        images.append(dict(id=i, file_name=f'{i:03}.png', width=64, height=64))
        if bad: boxes.append(dict(id=i, image_id=i, category_id=1, bbox=[10, 20, 5, 6]))
    return dict(images=images, annotations=boxes, categories=[dict(id=1, name='spot')])

@situation('boxes of COCO', 'check {d}', 'COCO', labels=dict(good=8, anomaly=6), boxes='10,20,15,26')
def _(d):
    d.joinpath('images').mkdir(parents=True)
    (d/'annotations.json').write_text(json.dumps(coco(d)))

@situation('boxes of YOLO', 'check {d}', 'YOLO', labels=dict(good=8, anomaly=6), boxes='16,16,48,32')
def _(d):
    coco(d)
    (d/'labels').mkdir()
    (d/'classes.txt').write_text('spot\n')
    for i in range(14): (d/f'labels/{i:03}.txt').write_text('0 0.5 0.375 0.5 0.25\n' if i >= 8 else '')

@situation('boxes of Pascal VOC', 'check {d}', 'VOC', labels=dict(good=8, anomaly=6))
def _(d):
    coco(d)
    os.rename(d/'images', d/'JPEGImages')
    (d/'Annotations').mkdir()
    box = '<object><name>spot</name><bndbox><xmin>11</xmin><ymin>21</ymin><xmax>15</xmax><ymax>26</ymax></bndbox></object>'
    for i in range(14):
        text = f'<annotation><filename>{i:03}.png</filename><size><width>64</width><height>64</height></size>{box if i >= 8 else ""}</annotation>'
        (d/f'Annotations/{i:03}.xml').write_text(text)

@situation('boxes of CVAT', 'check {d}', 'CVAT', labels=dict(good=8, anomaly=6), boxes='10,20,15,26')
def _(d):
    coco(d)
    box = '<box label="spot" xtl="10" ytl="20" xbr="15" ybr="26"/>'
    rows = [f'<image id="{i}" name="{i:03}.png" width="64" height="64">{box if i >= 8 else ""}</image>' for i in range(14)]
    (d/'annotations.xml').write_text(f'<?xml version="1.0"?><annotations><version>1.1</version>{"".join(rows)}</annotations>')

@situation('outlines of LabelMe, a file beside each photo', 'check {d}', 'LabelMe', labels=dict(good=8, anomaly=6), boxes='10,20,15,26;30,30,41,36')
def _(d):
    coco(d)
    corners = dict(label='spot', shape_type='rectangle', points=[[15, 26], [10, 20]])
    outline = dict(label='spot', shape_type='polygon', points=[[30, 30], [40.5, 31], [33, 36]])
    for i in range(14):
        content = dict(version='5.5.0', imagePath=f'{i:03}.png', imageWidth=64, imageHeight=64, shapes=[corners, outline]*(i >= 8))
        (d/f'images/{i:03}.json').write_text(json.dumps(content))

@situation("Pascal VOC's lists of a split", 'check {d}', 'the split is kept', labels=dict(good=8, anomaly=6), split=dict(train=7, test=7))
def _(d):
    coco(d)
    os.rename(d/'images', d/'JPEGImages')
    box = '<object><name>spot</name><bndbox><xmin>11</xmin><ymin>21</ymin><xmax>15</xmax><ymax>26</ymax></bndbox></object>'
    (d/'Annotations').mkdir()
    for i in range(14): (d/f'Annotations/{i:03}.xml').write_text(f'<annotation><filename>{i:03}.png</filename>{box if i >= 8 else ""}</annotation>')
    (d/'ImageSets/Main').mkdir(parents=True)
    for n, side in enumerate(('train', 'test')): csv(d, [f'{i:03}' for i in range(14) if i % 2 == n], name=f'ImageSets/Main/{side}.txt')

def boxed(d, header, rows):
    "A list of boxes beside its photos; `rows` makes the lines of a bad one."
    coco(d)
    csv(d, [header, *[l for i in range(8, 14) for l in rows(f'{i:03}.png')]])

@situation('a CSV with a row for each box', 'check {d}/parts.csv --good unlisted', 'xmin', labels=dict(good=8, anomaly=6), boxes='10,20,15,26;1,2,3,4', good=['unlisted'])
def _(d): boxed(d, 'filename,class,xmin,ymin,xmax,ymax', lambda n: [f'{n},spot,10,20,15,26', f'{n},dent,1,2,3,4'])

@situation('a CSV of boxes with decimal commas', 'check {d}/parts.csv --good unlisted', labels=dict(good=8, anomaly=6), boxes='10,20,16,27', good=['unlisted'])
def _(d): boxed(d, 'path;label;x;y;w;h', lambda n: [f'{n};spot;10,5;20,25;5,0;6,5'])

@situation('a column bbox that may hold corners or a size', 'check {d}/parts.csv --good unlisted', 'bbox_xyxy', 'bbox_xywh', code=2)
def _(d): boxed(d, 'path,bbox', lambda n: [f'{n},"[10, 20, 25, 36]"'])

@situation('a list of defective photos only: are the others good?', 'check {d}', '8 photos are not listed', '--good unlisted', '--skip unlisted', code=2)
def _(d): boxed(d, 'path,label,x,y,w,h', lambda n: [f'{n},spot,10,20,5,6'])

@situation('a list of defective photos only, told that the others are good', 'check {d} --good unlisted', '8 photos that are not listed are taken as good', labels=dict(good=8, anomaly=6), boxes='10,20,15,26', good=['unlisted'])
def _(d):
    boxed(d, 'path,label,x,y,w,h', lambda n: [f'{n},spot,10,20,5,6'])

@situation('annotations of some good photos: the others are neither', 'check {d}', 'taken as neither good nor anomaly', labels=dict(good=5, anomaly=6))
def _(d):
    content = coco(d)
    (d/'annotations.json').write_text(json.dumps(dict(content, images=content['images'][3:])))

@situation("Kaggle's labels.csv beside images/", 'check {d}', labels=dict(good=8, anomaly=6))
def _(d):
    coco(d)
    csv(d, ['image,label', *[f'{i:03}.png,{"crack" if i >= 8 else "ok"}' for i in range(14)]], name='labels.csv')

@situation('a CSV with semicolons', 'check {d}/parts.csv', labels=dict(good=8, anomaly=6))
def _(d): csv(d, ['path;label', *listed(d, ';')])

@situation('a CSV with a byte order mark', 'check {d}/parts.csv', labels=dict(good=8, anomaly=6))
def _(d): csv(d, ['path,label', *listed(d)], 'utf-8-sig')

@situation('a CSV with a title above its header', 'check {d}/parts.csv', 'Report of May, line 3', 'left out', labels=dict(good=8, anomaly=6))
def _(d): csv(d, ['Report of May, line 3', '', 'path;label', *listed(d, ';')])

@situation('a CSV of Japanese Windows', 'check {d}/parts.csv --good 良品', 'Shift-JIS', 'good = 良品', labels=dict(good=8, anomaly=6), good=['良品'])
def _(d): csv(d, ['path,判定,label', *[l.replace(',', ',検査,').replace('ok', '良品').replace('crack', '割れ') for l in listed(d)]], 'cp932')

@situation('a CSV of western Windows', 'check {d}/parts.csv', 'Windows-1252', 'größe', labels=dict(good=8, anomaly=6))
def _(d): csv(d, ['path,label', *[l.replace('crack', 'größe') for l in listed(d)]], 'cp1252')

@situation('a CSV in another code page', 'check {d}/parts.csv', 'parts.csv', 'line 10', 'code page', 'save it as CSV UTF-8', code=2)
def _(d): csv(d, ['path,label', *[l.replace('crack', 'трещина') for l in listed(d)]], 'cp1251')

@situation('a CSV of Unicode text, as Excel saves it', 'check {d}/parts.csv', 'UTF-16', labels=dict(good=8, anomaly=6))
def _(d): csv(d, ['path\tlabel', *listed(d, '\t')], 'utf-16')

@situation('a CSV with other column names', 'check {d}/parts.csv', 'filename', labels=dict(good=8, anomaly=6))
def _(d): csv(d, ['filename,class', *listed(d)])

@situation('a CSV whose columns say nothing', 'check {d}/parts.csv', 'alpha', 'beta', code=2)
def _(d): csv(d, ['alpha,beta', *listed(d)])

@situation('an Excel list', 'check {d}/parts.xlsx', labels=dict(good=8, anomaly=6))
def _(d):
    import pandas as pd
    pd.DataFrame([r.split(',') for r in listed(d)], columns=['path', 'label']).to_excel(d/'parts.xlsx', index=False)

@situation('a CSV written on Windows: backslashes', 'check {d}/parts.csv', labels=dict(good=8, anomaly=6))
def _(d): csv(d, ['path,label', *listed(d, path=lambda p: p.replace('/', '\\'))])

@situation('a zip of Windows: backslashes in the names of files', 'check {d}', 'backslash', code=2)
def _(d):
    d.mkdir(parents=True, exist_ok=True)
    for i in range(6): save(washer(i)[0], d/f'good\\{i:03}.png')

@situation('HEIC photos', 'predict {run} {d} -o {d}/out', code=1, says_of='x.heic')
def _(d):
    save(part(), d/'a.png')
    (d/'x.heic').write_bytes(b'\0\0\0\x18ftypheic' + bytes(200))

@situation('a .heic that is none', 'predict {run} {d} -o {d}/out', code=1, says_of='x.heic')
def _(d):
    save(part(), d/'a.png')
    (d/'x.heic').write_bytes(b'\0\0\0\x18ftypisom' + bytes(200))

@situation('photos called .jfif', 'check {d}', labels=dict(good=8, anomaly=6))
def _(d):
    two(d)
    for p in [*d.rglob('*.png')]:
        Image.open(p).save(p.with_suffix('.jpg'))
        os.rename(p.with_suffix('.jpg'), p.with_suffix('.jfif'))
        p.unlink()

@situation('thumbnails of a NAS', 'check {d}', 'passed over', '@eaDir', labels=dict(good=8, anomaly=6))
def _(d):
    two(d)
    photos(d/'good/@eaDir/000.png', 2, name='SYNOPHOTO_THUMB_{i}.jpg')

@situation('copies that Jupyter keeps', 'check {d}', 'passed over', '.ipynb_checkpoints', labels=dict(good=8, anomaly=6))
def _(d):
    two(d)
    photos(d/'good/.ipynb_checkpoints', 2, name='{i}-checkpoint.png')

@situation('files that are no photos', 'check {d}', 'passed over', 'notes.txt', labels=dict(good=8, anomaly=6))
def _(d):
    two(d)
    (d/'good/notes.txt').write_text('the third one is new')

@situation('masks of MVTec AD are not inspected', 'predict {run} {d} -o {d}-out', 'passed over', 'mask', n_rows=16)
def _(d): mvtec(d)

@situation('an empty folder', 'predict {run} {d} -o {d}-out', 'no images', code=2)
def _(d): d.mkdir(parents=True, exist_ok=True)

@situation('several categories at once', 'train {d} -o {d}-run', 'pill', code=2)
def _(d):
    mvtec(d/'pill')
    mvtec(d/'grid')

# ---------------------------------------------------------------------------------------------------------
section('Lost work and unusable files')

@situation('three photos that cannot be read', 'train {d} -o {d}-run', '3', '000.png', '001.png', code=2)
def _(d):
    two(d)
    for i in range(3): (d/f'good/{i:03}.png').write_bytes(b'no photo')

@situation('a file name of 252 bytes', 'predict {run} {d} -o {d}-out --overlays', code=0, n_rows=2)
def _(d):
    save(part(), d/('x'*248 + '.png'))
    save(part(), d/'a.png')

@situation('a file name of 252 bytes in another script', 'predict {run} {d} -o {d}-out --overlays', code=0, n_rows=2)
def _(d):
    save(part(), d/('é'*124 + '.png'))
    save(part(), d/'a.png')

@situation('results refused in a folder of photos', 'predict {run} {d}/a.png -o {d}', 'left alone', code=2, clean=['a.png'])
def _(d): save(part(), d/'a.png')

@situation('a folder of results that cannot be read', 'test {run} {d}/nowhere', 'nowhere', code=2)
def _(d): pass

# ---------------------------------------------------------------------------------------------------------

def cell(text): return str(text).replace('|', '\\|')

def _right(s):
    "What must come of it, in words."
    said = ', '.join(f'"{w}"' for w in s.says)
    end = {0: '', None: '', 1: 'exit code 1', 2: 'refused'}[s.code]
    words = [f'says {said}' if said else '', end]
    for name, value in s.want.items():
        if name in ('good', 'skip', 'group'): continue
        if isinstance(value, dict): value = ', '.join(f'{n} {k}' for k, n in value.items())
        words.append({'verdict': str(value), 'labels': value}.get(name, f'{name.replace("_", " ")}: {value}'))
    return '; '.join(w for w in words if w)

def markdown():
    "The table as Markdown, a section each."
    out = []
    for name in dict.fromkeys(s.section for s in TABLE):
        out += [f'## {name}', '', '| situation | command | what comes of it |', '|---|---|---|']
        rows = [s for s in TABLE if s.section == name]
        out += [f'| {cell(s.what)} | `defect {cell(s.command.replace("{d}", "photos").replace("{run}", "runs/mine"))}` | {cell(_right(s))} |' for s in rows]
        out.append('')
    return '\n'.join(out)
