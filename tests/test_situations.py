"Odd input: each row of `situations.py` says what it should, and gives the right value."
import shlex
from pathlib import Path
import numpy as np, pandas as pd, pytest
from situations import TABLE, grey, mask

def test_the_table_is_long_enough():
    assert len(TABLE) >= 60
    assert len({s.what for s in TABLE}) == len(TABLE)

def table(d, s):
    from defect_nbdev.data.samples import samples
    source = d/'parts.csv' if (d/'parts.csv').exists() else d/'parts.xlsx' if (d/'parts.xlsx').exists() else d
    return samples(source, good=s.want.get('good') or ('1' if '--good 1' in s.command else None), skip=s.want.get('skip', ()), group=s.want.get('group'))

def check_labels(d, s, r): assert table(d, s).label.value_counts().to_dict() == s.want['labels']

def check_split(d, s, r): assert table(d, s).split.value_counts().to_dict() == s.want['split']

def check_groups(d, s, r): assert table(d, s).group.replace('', np.nan).nunique() == s.want['groups']

def check_boxes(d, s, r):
    t = table(d, s)
    assert set(t.boxes[t.label == 'anomaly']) == {s.want['boxes']} and set(t.boxes[t.label == 'good']) == {''}

def check_masks(d, s, r):
    "As many as wanted; whole: each is the one that was drawn."
    from defect_nbdev.data.masks import read_mask
    t = table(d, s)
    t = t[t.mask_path != '']
    if s.want['masks'] != 'whole':
        assert len(t) == s.want['masks'] and all(read_mask(r.mask_path, r.path).any() for r in t.itertuples())
        return
    for r in t.itertuples():
        got, drawn = read_mask(r.mask_path, r.path), np.asarray(mask(100 + int(Path(r.path).stem))) > 0
        assert (got == drawn).mean() > .98 and got.sum() > .5*drawn.sum(), r.mask_path

def check_on_defect(d, s, r):
    "The mask lies where the upright photo is dark."
    from defect_nbdev.data.images import read_image
    from defect_nbdev.data.masks import read_mask
    r, = [r for r in table(d, s).itertuples() if r.path.endswith(s.want['on_defect'])]
    m, a = read_mask(r.mask_path, r.path), np.asarray(read_image(r.path).convert('L'), float)
    assert m.shape == a.shape
    upright = np.asarray(mask(100).resize(m.shape[::-1], 0)) > 0
    assert (m == upright).mean() > .98 and (m & upright).any()

def check_pixels(d, s, r):
    "The photo looks as it did before it was written with more bits."
    from defect_nbdev.data.images import Pixels, read_image
    from defect_nbdev.data.samples import samples
    name, _, *asked = s.want['pixels']
    t = samples(d, pixels=asked[0] if asked else None)
    got = np.asarray(read_image(d/name, Pixels.of(t)).convert('L'), float)
    assert np.median(np.abs(got - grey(0))) <= 1.5

def check_verdict(d, s, r): assert r.stdout.startswith(s.want['verdict']), r.stdout

def rows(d, s): return pd.read_csv(Path(s.command.split(' -o ')[1].split()[0].format(d=d))/'predictions.csv', keep_default_na=False)

def check_verdicts(d, s, r):
    t = rows(d, s)
    assert t.verdict.value_counts().to_dict() == s.want['verdicts'] and (t.unlike != '').all()

def check_n_rows(d, s, r): assert len(rows(d, s)) == s.want['n_rows']

def check_says_of(d, s, r):
    t = rows(d, s)
    assert (t.error[t.path.str.endswith(s.want['says_of'])] != '').all() and t.path.str.endswith(s.want['says_of']).any()

def check_clean(d, s, r): assert sorted(p.name for p in d.iterdir()) == s.want['clean']

@pytest.mark.parametrize('s', TABLE, ids=lambda s: s.what)
def test_situation(s, defect, run, tmp_path):
    d = tmp_path/'photos'
    d.mkdir()
    s.build(d)
    words = [w.format(d=d, run=run) for w in shlex.split(s.command.replace('\\', '\\\\'))] if '\\' in s.command else [w.format(d=d, run=run) for w in s.command.split()]
    r = defect(*words)
    said = r.stdout + r.stderr
    if s.code is not None: assert r.returncode == s.code, said
    else: assert r.returncode in (0, 1), said
    for w in s.says: assert w.lower() in said.lower(), (w, said)
    for w in s.never: assert w.lower() not in said.lower(), (w, said)
    if s.code == 2: assert len([l for l in r.stderr.splitlines() if l.startswith('defect: ') and 'note' not in l]) == 1, said
    for name in s.want:
        check = globals().get(f'check_{name}')
        if check: check(d, s, r)
