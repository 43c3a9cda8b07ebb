"Every layout trains from the command line: MVTec AD, two folders, a CSV manifest, ELPV."
import csv, json, shutil
from functools import partial
import pandas as pd
import pytest
from defect_nbdev.explain.outline import OUTLINED

FILES = {'bundle', 'predictions.csv', 'coco.json', 'contact_sheet.png', 'history.csv', 'confusion.png', 'metrics.json', 'model_card.md', 'report.html'}

def images(washer): return [(p, 'good' if p.parent.name == 'good' else 'anomaly') for s in ('train', 'test') for p in sorted((washer/s).rglob('*.png'))]

@pytest.fixture
def two_folders(washer, tmp_path):
    for i, (p, l) in enumerate(images(washer)):
        d = tmp_path/'parts'/('Positive' if l == 'anomaly' else 'Negative')
        d.mkdir(parents=True, exist_ok=True)
        shutil.copy(p, d/f'Prüfling {i}, Charge 7.PNG')
    return tmp_path/'parts'

@pytest.fixture
def manifest(washer, tmp_path):
    with open(tmp_path/'list.csv', 'w', newline='') as f:
        w = csv.writer(f)
        w.writerow(['path', 'label', 'group'])
        for i, (p, l) in enumerate(images(washer)): w.writerow([p, 'NG' if l == 'anomaly' else 'OK', f'tray{i//2}'])
    return tmp_path/'list.csv'

def check(r, out, more=frozenset()):
    assert r.returncode == 0, r.stderr
    assert {p.name for p in out.iterdir()} == FILES | more
    for word in ('accuracy', 'balanced accuracy', 'AUROC', 'escape', 'overkill', '95 % interval', 'defect predict'): assert word in r.stdout
    m = json.loads((out/'metrics.json').read_text())
    t = pd.read_csv(out/'predictions.csv')
    c = json.loads((out/'coco.json').read_text())
    assert m['n'] == len(t) == len(c['images']) and m['tp'] + m['fn'] == (t.label == 'anomaly').sum()
    assert len(c['annotations']) == t.n_boxes.sum()
    assert (t.n_boxes[t.verdict == 'PASS'] == 0).all()
    return t

def test_mvtec(run): assert {p.name for p in run.iterdir()} == FILES

@pytest.mark.parametrize('layout', ['two_folders', 'manifest'])
def test_other_layouts(layout, request, defect, tmp_path):
    out = tmp_path/'run'
    check(defect('train', request.getfixturevalue(layout), '-o', out, '--size', 64, '--no-export'), out)

def test_elpv(defect, monkeypatch, tmp_path):
    "The demo; with photos and an export of full size it runs in .ci/run."
    from defect_nbdev.runs import demo as run
    monkeypatch.setattr(run, 'demo', partial(run.demo, washers=18, size=96, export=False))
    out = tmp_path/'demo'
    t = check(defect('demo', '-o', out, '-n', 40), out, {'washers'})
    assert len(t) == 8
    assert 'AUPRO' in (out/'washers/run/report.html').read_text()       # washers have masks
    run.demo(out, 30, washers=0, bar=False)                          # a second run replaces the first
    assert len(pd.read_csv(out/'predictions.csv')) == 6
    assert not [p for p in tmp_path.iterdir() if p.name != 'demo']      # and leaves nothing beside it

def test_folds(defect, washer, tmp_path):
    r = defect('train', washer, '--folds', 2, '--method', 'vgg16-gap', '--epochs', 1, '--size', 64, '-o', tmp_path/'folds')
    assert r.returncode == 0 and '2 folds, mean +- standard deviation' in r.stdout, r.stderr
    t = pd.read_csv(tmp_path/'folds/folds.csv')
    assert len(t) == 40 and t.path.is_unique and t.p.between(0, 1).all()

def test_variants(defect, washer, tmp_path):
    "One output, the reference's pooling, augmentation, balanced weights, validation stop, non-square input."
    out = tmp_path/'run'
    r = defect('train', washer, '-o', out, '--method', 'vgg16-gap', '--epochs', 1, '--size', '64x96', '--outputs', 1, '--max-pool', '--aug', 'flip+rotate', '--class-weights', 'balanced', '--stop', 'valid', '--valid', '.2', '--no-export')
    check(r, out)
    info = json.loads((out/'bundle/model.json').read_text())
    assert info['net']['outputs'] == 1 and info['net']['max_pool'] and info['size'] == [64, 96] and 'lowest validation loss' in info['stopped']

def test_patches(defect, washer, tmp_path):
    "Memory of good patches and patch heads, from the command line to boxes; once whole, once in folds."
    out = tmp_path/'patch'
    check(defect('train', washer, '-o', out, '--size', 96, '--no-export'), out)
    info = json.loads((out/'bundle/model.json').read_text())
    assert info['explainer'] == 'patch' and info['heat_scale'] == [0, 1] and OUTLINED['thr'] <= info['box_rule']['thr'] < 1
    r = defect('predict', out, next((washer/'test/scratch').glob('*.png')))
    assert r.returncode == 0 and r.stdout.startswith(('PASS', 'FAIL')), r.stderr
    r = defect('train', washer, '-o', tmp_path/'folds', '--size', 64, '--folds', 2)
    assert r.returncode == 0 and len(pd.read_csv(tmp_path/'folds/folds.csv')) == 40, r.stderr
