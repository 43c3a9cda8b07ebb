"What must hold for any input, tried on inputs that nobody thought of."
import io, math
from pathlib import Path
import numpy as np, pytest, torch
from hypothesis import HealthCheck, given, settings, strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image
from torch.nn import functional as F
from defect_nbdev.explain.boxes import find_boxes, find_mask
from defect_nbdev.data.feedback import add_feedback, latest, read_feedback
from defect_nbdev.core.errors import UserError
from defect_nbdev.data.images import read_image, squish, to_array
from defect_nbdev.metrics.verdicts import image_metrics
from defect_nbdev.data.samples import COLUMNS, samples
from defect_nbdev.models.conv3x3 import Conv3x3

quick = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

def bytes_of(size, mode, kind):
    b = io.BytesIO()
    Image.effect_noise(size, 60).convert(mode).save(b, kind)
    return b.getvalue()

@quick
@given(st.binary(max_size=300) | st.tuples(st.sampled_from([('RGB', 'png'), ('L', 'jpeg'), ('P', 'png'), ('RGB', 'bmp'), ('1', 'tiff'), ('RGB', 'webp')]), st.integers(0, 400), st.binary(min_size=1, max_size=8)))
def test_reader_gives_an_image_or_one_sentence(tmp_path, made):
    f = tmp_path/'x.png'
    if isinstance(made, bytes): f.write_bytes(made)
    else:
        (mode, kind), at, new = made
        b = bytearray(bytes_of((20, 13), mode, kind))
        b[at:at + len(new)] = new
        f.write_bytes(b)
    try: im = read_image(f)
    except UserError as e: assert str(f) in str(e) and '\n' not in str(e)
    else: assert im.mode == 'RGB' and min(im.size) > 0 and np.isfinite(to_array(squish(im, 32))).all()

heats = hnp.arrays(np.float32, st.tuples(st.integers(1, 30), st.integers(1, 30)), elements=st.floats(-1e6, 1e6, width=32))

@quick
@given(heats, st.floats(.01, 1), st.none() | st.floats(0, 1), st.integers(1, 20), st.floats(0, .2))
def test_boxes(heat, thr, grow, area, erode):
    kw = dict(thr=thr, min_area=area, grow=grow, erode=erode)
    b, s = find_boxes(heat, **kw)
    h, w = heat.shape
    assert b.shape == (len(s), 4) and ((b[:, :2] >= 0) & (b[:, 2:] > b[:, :2])).all() and (b[:, 2] <= w).all() and (b[:, 3] <= h).all()
    assert ((s >= 0) & (s <= 1 + 1e-6)).all() and (np.diff(s) <= 1e-6).all()
    m = find_mask(heat, **kw)
    assert m.shape == heat.shape and m.any() == (len(b) > 0)
    if heat.max() == heat.min(): assert not len(b)                          # a flat map has no boxes

@quick
@given(st.lists(st.tuples(st.booleans(), st.floats(0, 1)), min_size=1, max_size=60), st.floats(0, 1), st.randoms())
def test_metrics(parts, thr, rnd):
    y, p = map(list, zip(*parts))
    m = image_metrics(y, p, thr)
    assert m['tn'] + m['fp'] + m['fn'] + m['tp'] == m['n'] == len(y) and m['n_anomaly'] == sum(y)
    for k in ('accuracy', 'balanced_accuracy', 'auroc', 'ap', 'f1', 'escape', 'overkill'): assert math.isnan(m[k]) or 0 <= m[k] <= 1 + 1e-12
    for k in ('escape', 'overkill'):
        lo, hi = m[f'{k}_interval']
        assert math.isnan(m[k]) or 0 <= lo <= m[k] + 1e-12 and m[k] - 1e-12 <= hi <= 1
    rnd.shuffle(parts)
    y, p = map(list, zip(*parts))
    again = image_metrics(y, p, thr)
    for k in ('accuracy', 'auroc', 'escape', 'tp'): assert again[k] == pytest.approx(m[k], nan_ok=True)

@quick
@given(st.text(max_size=200) | st.lists(st.lists(st.sampled_from(['path', 'label', 'split', 'good', 'anomaly', 'a.png', 'b.png', '', '"', 'train', 'x' * 50, '../a.png', '\x00']), min_size=1, max_size=4), min_size=1, max_size=6).map(lambda r: '\n'.join(map(','.join, r))))
def test_manifest_gives_a_table_or_one_sentence(tmp_path, text):
    for n in 'ab': Image.new('RGB', (8, 8)).save(tmp_path/f'{n}.png')
    f = tmp_path/'m.csv'
    f.write_text(text, encoding='utf-8', errors='surrogatepass') if not any('\ud800' <= c <= '\udfff' for c in text) else f.write_bytes(text.encode('utf-8', 'surrogatepass'))
    try: t = samples(f)
    except UserError as e: assert str(e)
    else: assert t.columns.tolist() == COLUMNS and set(t.label) == {'good', 'anomaly'} and all(Path(p).is_file() for p in t.path)

@quick
@given(st.lists(st.tuples(st.integers(0, 2), st.sampled_from(['good', 'anomaly']), st.text(max_size=20)), min_size=1, max_size=5))
def test_feedback_comes_back(tmp_path_factory, said):
    d = tmp_path_factory.mktemp('feedback')
    store = d/'f.sqlite'
    for i in range(3): Image.new('RGB', (8, 8), (i, 0, 0)).save(d/f'{i}.png')
    for i, label, note in said: add_feedback(store, d/f'{i}.png', label, note=note)
    t = read_feedback(store)
    assert t.label.tolist() == [l for _, l, _ in said] and t.note.tolist() == [n for *_, n in said]
    assert {Path(p).stem: l for p, l in zip(latest(t).path, latest(t).label)} == {str(i): l for i, l, _ in said}

@quick
@given(st.integers(1, 3), st.integers(4, 30), st.integers(4, 30), st.integers(0, 2**31))
def test_winograd(n, h, w, seed):
    torch.manual_seed(seed)
    c, x = Conv3x3(128, 256), torch.randn(n, 128, h, w)
    with torch.no_grad(): assert torch.allclose(c(x), F.conv2d(x, c.weight, c.bias, padding=1), atol=1e-4)
