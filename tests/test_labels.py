"What a label means, and which photos are meant: one row for each situation."
import json, os
from pathlib import Path
import numpy as np, pandas as pd
import pytest
from PIL import Image
from conftest import refused
from defect_nbdev.core.errors import UserError
from defect_nbdev.data.labels import good_names, labels_text
from defect_nbdev.data.samples import samples, with_groups
from defect_nbdev.data.sources import Sources
from defect_nbdev.data.split import kfold, split, together

# Classes, options -> the names that mean good
CERTAIN = [
    ('good bad', {}, 'good'), ('OK NG', {}, 'OK'), ('Negative Positive', {}, 'Negative'), ('good scratch dent', {}, 'good'),
    ('ok ko', {}, 'ok'), ('normal anomaly', {}, 'normal'), ('good combined print', {}, 'good'), ('PASS FAIL', {}, 'PASS'),
    ('ok|not ok', {}, 'ok'), ('defect|no defect', {}, 'no defect'), ('ok_front def_front', {}, 'ok_front'),
    ('Good_2nd_shift bad', {}, 'Good_2nd_shift'), ('good unknown_defect', {}, 'good'), ('good', {}, 'good'), ('bad', {}, ''),
    ('0 1', dict(good='0'), '0'), ('0 1', dict(good='1'), '1'), ('good unsure bad', dict(skip='unsure'), 'good'),
    ('good Good_2 bad', dict(good=['good', 'Good_2']), 'good Good_2'), ('a b', dict(good='b'), 'b'),
    ('good unsure bad', dict(good=['good']), 'good'), ('none scratch', dict(good='none'), 'none'),
]
# Classes, options -> words of the question
ASKED = [
    ('0 1', {}, '--good NAME'), ('0 1 2', {}, 'which of them are good'), ('1 2', {}, 'which of them are good'),
    ('good unsure bad', {}, 'is unsure good too?'), ('unsure bad', {}, 'which of them are good'), ('good todo', {}, 'is todo good too?'),
    ('good bad unknown', {}, '--skip unknown'), ('good maybe_crack', {}, 'maybe_crack'), ('good bad test', {}, 'is test good too?'),
    ('good bad new', {}, 'is new good too?'), ('good bad review', {}, 'review'), ('good bad mixed', {}, 'mixed'), ('good bad other', {}, 'other'),
    ('good Good_2nd_shift bad', {}, '--good good Good_2nd_shift'), ('good ok_batch2', {}, '--good good ok_batch2'),
    ('good good-night bad', {}, 'good-night'), ('good ok bad', {}, '--good good ok'), ('good good_with_scratch', {}, 'good_with_scratch'),
    ('good 1 2', {}, 'are 1, 2 good too?'), ('good line_3', {}, 'line_3'), ('parts', {}, 'which of them are good'), ('a b', {}, '--good NAME'),
    ('dent scratch rust hole x', {}, 'which of them are good'), ('good bad', dict(good='gut'), "no class 'gut'"),
    ('good bad', dict(good=['good', 'good']), 'names good twice'), ('good bad', dict(skip='x'), "no class 'x'"),
    ('good bad', dict(good='good', skip='good'), 'cannot be good and skipped'), ('good bad', dict(skip=['good', 'bad']), 'no class left'),
    ('good|no crack 2|bad', {}, "--good good 'no crack 2'"),
]
MAYBE_GOOD = '''i.O. 2|i.O._Schicht2|normals|negatives|Gutteile|Normalteile|unbroken|intakt|合格|正常|良品|bon|bueno|conforme|not a defect|no problem
false_positive|overkill|Pseudofehler|in_spec|scratch_free|kratzerfrei|good/rejected|OK/bad|free from scratches'''.replace('\n', '|').split('|')
DOUBTFUL = '''not_sure|not sure|dunno|to_check|to_sort|unchecked|undef|n_a|Grenzfall|Grenzmuster|zweifelhaft|ungeprüft|unsortiert|sonstige|incertain|不确定
待定|未分類|limit_samples|Schicht2|Kamera2|Linie2|Montag|Neuer Ordner|Kopie|original|augmented|crops|heatmaps|overlays|calibration|dark_frames
jpg|bad/unsure|NG/unsure|bad/good'''.replace('\n', '|').split('|')
DEFECTS = '''scratch|broken_large|combined|thread_top|Center|Donut|Edge-Ring|Near-full|MT_Blowhole|MT_Break|missing_part|划痕|Kratzer|rayure|défaut
de\u0301faut|out_of_spec|n.i.O.|n.i.O. 2|nicht i.O.|不良|不合格|异常|false_negative|crazing|pitted_surface|open|short|bent_wire|fold|print|oil|cut_lead|Schlechtteile
brak|брак|dirty|malo|no_good|unknown_defect|combined/scratch'''.replace('\n', '|').split('|')
CERTAIN += [(f'good|bad|{n}', {}, 'good') for n in DEFECTS]
ASKED += [(f'good|bad|{n}', {}, f'is {n} good too?') for n in MAYBE_GOOD + DOUBTFUL]
CERTAIN += [('free_of_defects defects', {}, 'free_of_defects'), ('合格 不合格', {}, '合格'), ('良品 不良品', {}, '良品'), ('正常 異常', {}, '正常'), ('bon défaut', {}, 'bon'),
            ('bueno malo', {}, 'bueno'), ('clean dirty', {}, 'clean'), ('годен брак', {}, 'годен'), ('Gutteile Schlechtteile', {}, 'Gutteile'),
            ('00_good 01_scratch 02_dent', {}, '00_good'), ('1-OK 2-NG', {}, '1-OK'), ('good_left good_right bad_left bad_right', {}, 'good_left good_right'),
            ('OK NG', dict(good='ok'), 'OK'), ('OK NG', dict(good='OK/'), 'OK'), ('0.0 1.0', dict(good='0'), '0.0'), ('0 1', dict(good=0), '0'),
            ('de\u0301j\u00e0 x', dict(good='d\u00e9j\u00e0'), 'de\u0301j\u00e0'), ('good Ok_2 bad', dict(good='GOOD', skip='ok_2'), 'good')]
ASKED += [('MT_Crack MT_Free MT_Fray', {}, '--good MT_Free'), ('bad x y', {}, '--good NAME'), ('00_good 01_scratch 02_unsure', {}, 'which of them are good'),
          ('good_left good_right bad_left', {}, 'which of them are good')]
def names(text): return text.split('|') if '|' in text else text.split()

@pytest.mark.parametrize('classes,how,good', CERTAIN)
def test_certain(classes, how, good): assert ' '.join(good_names(names(classes), **how)) == good

@pytest.mark.parametrize('classes,how,words', ASKED)
def test_asked(classes, how, words):
    with pytest.raises(UserError) as e: good_names(names(classes)*3, source='photos', **how)
    assert words in str(e.value) and '\n' not in str(e.value)
    if 'which of' in words or 'good too' in words:
        assert all(f'{n} (3)' in str(e.value) for n in names(classes))          # every class with its number of photos

def photos(folder, *paths, size=(40, 40)):
    rng = np.random.default_rng(len(list(folder.rglob('*'))))
    for p in paths:
        (folder/p).parent.mkdir(parents=True, exist_ok=True)
        drawn = p.lower().endswith(('_mask.png', '_gt.png'))
        Image.fromarray(rng.integers(0, 255, (*size, 3), dtype=np.uint8)*(not drawn)).save(folder/p)
    return folder

def table(folder, text, n=6):
    photos(folder, *(f'{i}.png' for i in range(n)))
    (folder/'t.csv').write_text(text, encoding='utf-8')
    return folder/'t.csv'

@pytest.mark.parametrize('empty', ['', ' ', 'NaN', 'nan', 'None', '?', 'n/a', 'N/A', 'null', '-'])
def test_rows_without_a_label(empty, tmp_path):
    f = table(tmp_path, f'path,label\n0.png,good\n1.png,{empty}\n2.png,bad\n3.png,{empty}\n')
    with pytest.raises(UserError, match=r'2 rows have no label \(line 3, line 5\)'): samples(f)
    said = []
    t = samples(f, skip='unlabelled', say=said.append)
    assert t.label.tolist() == ['good', 'anomaly'] and any('2 photos without a label' in line for line in said)

def test_named_label_is_a_label(tmp_path):
    t = samples(table(tmp_path, 'path,label\n0.png,none\n1.png,bad\n'), good='none')
    assert t.label.tolist() == ['good', 'anomaly']

@pytest.mark.parametrize('change,words', [
    (dict(label=['good', 'NG', 'unsure']), 'is unsure good too?'), (dict(label=['a', 'b', 'a']), 'which of them are good'), (dict(label=['good', None, 'good']), '1 rows without a label'),
    (dict(label=['good', float('nan'), 'anomaly']), '1 rows without a label'), (dict(path=['a.png', 3, None]), 'paths that are no text'),
    (dict(split=['train', 'holdout', 'test']), "split 'holdout'"), (dict(path=['gone.png', 'b.png', 'c.png']), 'do not exist'), ])
def test_table_by_hand(change, words, tmp_path):
    photos(tmp_path, '0.png', '1.png', '2.png')
    t = pd.DataFrame(dict(path=[str(tmp_path/f'{i}.png') for i in range(3)], label=['good', 'anomaly', 'good']))
    with pytest.raises(UserError) as e: samples(t.assign(**change))
    assert words in str(e.value)

def test_table_by_hand_is_completed(tmp_path):
    photos(tmp_path, '0.png', '1.png')
    t = samples(pd.DataFrame(dict(path=[tmp_path/'0.png', tmp_path/'1.png'], label=['good', 'anomaly'], group=[None, float('nan')])))
    assert t.path.map(type).eq(str).all() and t.defect.tolist() == ['good', 'anomaly'] and t.group.tolist() == ['', '']
    with pytest.raises(UserError, match='no column label'): samples(t[['path']])
    with pytest.raises(UserError, match='twice'): samples(pd.concat([t, t]))

def test_labels_in_one_line():
    t = pd.DataFrame(dict(label=['good']*2 + ['anomaly']*3, defect=['good', 'good', 'dent', 'spot', 'spot'], cls=['ok', 'ok', 'ng', 'ng', 'ng']))
    assert labels_text(t) == 'good = ok (2), anomaly = ng (types spot 2, dent 1)'

# Pattern -> words of the refusal, or the groups
GROUPS = [('tray(', 'is no regular expression'), ('[', 'is no regular expression'), ('lot', 'fits no photo (their names are tray1_a'),
          ('(lot)?', 'fits no photo'), (r'tray(\d)', ['1', '1', '2', '']), (r'tray\d', ['tray1', 'tray1', 'tray2', '']), (r'(tray\d)?', ['tray1', 'tray1', 'tray2', ''])]

@pytest.mark.filterwarnings('ignore')
@pytest.mark.parametrize('pattern,expected', GROUPS)
def test_group(pattern, expected):
    t = pd.DataFrame(dict(path=['tray1_a.png', 'tray1_b.png', 'tray2_a.png', 'odd.png'], group=''))
    if isinstance(expected, list): assert with_groups(t, pattern).group.tolist() == expected
    else:
        with pytest.raises(UserError) as e: with_groups(t, pattern)
        assert expected in str(e.value)

def test_photos_without_a_group_are_alone(tmp_path):
    photos(tmp_path, *(f'{i}.png' for i in range(4)))
    t = pd.DataFrame(dict(path=[str(tmp_path/f'{i}.png') for i in range(4)], label='good', group=[None, float('nan'), '', 'a']))
    assert len(set(together(t))) == 4

@pytest.mark.parametrize('n', [1, 2, 3, 4])
def test_too_few_anomalies(n, tmp_path):
    "The error says how many are missing, and what it offers instead works."
    photos(tmp_path, *(f'good/{i}.png' for i in range(10)), *(f'bad/{i}.png' for i in range(n)))
    with pytest.raises(UserError, match=f'add {5 - n} more') as e: split(samples(tmp_path), .2, 0.)
    text = str(e.value)
    assert 'folds' not in text and (f'or {3 - n} more with --test' in text) == (n < 3)
    with pytest.raises(UserError, match=f'--folds {max(n, 3)}'): list(kfold(samples(tmp_path), 5, 0.))
    photos(tmp_path, *(f'bad/new{i}.png' for i in range(3 - n)))
    t = samples(tmp_path)
    s = split(t, float(text.split('--test ')[1].split()[0]), 0.)
    counts = s[s.label == 'anomaly'].split.value_counts()
    assert counts['test'] >= 1 and counts['train'] >= 2                         # the least that training takes
    assert len(list(kfold(t, max(n, 3), 0.))) == max(n, 3)

# Files below photos/ -> what is taken, and words of the line about the others
WALKS = [
    (['a.png', '._a.png', '.hidden.jpg'], ['a.png'], '2 hidden files (._a.png, .hidden.jpg)'),
    (['a.png', '.ipynb_checkpoints/a-checkpoint.png'], ['a.png'], '1 hidden folder (.ipynb_checkpoints/)'),
    (['a.png', '@eaDir/a.png/SYNOPHOTO_THUMB_M.jpg'], ['a.png'], '@eaDir/'), (['a.png', '#recycle/b.png'], ['a.png'], '#recycle/'),
    (['a.png', '$RECYCLE.BIN/b.png'], ['a.png'], '$RECYCLE.BIN/'), (['a.png', 'System Volume Information/b.png'], ['a.png'], 'System Volume Information/'),
    (['a.png', '__MACOSX/a.png'], ['a.png'], '__MACOSX/'), (['a.png', 'lost+found/b.png'], ['a.png'], 'lost+found/'),
    (['a.png', 'b/@EADIR/x.png', 'b/c.png'], ['a.png', 'b/c.png'], '@EADIR/'),
    (['a.png', 'masks/a.png'], ['a.png'], '1 mask (masks/a.png)'), (['a.png', 'a_mask.png'], ['a.png'], '1 mask (a_mask.png)'),
    (['a.png', 'A_GT.PNG'], ['a.png'], '1 mask (A_GT.PNG)'), (['test/dent/1.png', 'ground_truth/dent/1_mask.png'], ['test/dent/1.png'], '1 mask'),
    (['gas_mask_01.png'], ['gas_mask_01.png'], ''), (['a.png', 'b.png'], ['a.png', 'b.png'], ''),
]
@pytest.mark.parametrize('files,taken,words', WALKS)
def test_walk(files, taken, words, tmp_path):
    root = photos(tmp_path/'photos', *files)
    s = Sources(root)
    assert [os.path.relpath(p, root) for p in s] == taken
    assert words in str(s.passed) and s.skipped == len(files) - len(taken)
    assert [os.path.relpath(p, root) for p in Sources([root/f for f in files])] == files         # named one by one: all are meant
    assert sorted(os.path.relpath(p, root) for p in Sources(f'{root}/**/*.*')) == taken

def test_other_files_are_named(tmp_path):
    photos(tmp_path, 'a.png')
    for n in ('notes.txt', 'a.csv', 'b.csv', 'c.csv', 'raw.cr2', 'all.zip', 'Thumbs.db'): (tmp_path/n).touch()
    s = Sources(tmp_path)
    assert len(list(s)) == 1
    for words in ('4 files that are no photos (a.csv, b.csv, c.csv, ...)', 'formats', 'unpack', 'Thumbs.db'):
        assert words.replace('formats', 'format') in str(s.passed)

def test_heic_is_never_silent(tmp_path):
    photos(tmp_path, 'a.png')
    (tmp_path/'b.HEIC').write_bytes(b'no photo')
    s = Sources(tmp_path)
    assert len(list(s)) + s.skipped == 2

def test_windows_list(tmp_path):
    photos(tmp_path, 'a/b.png')
    (tmp_path/'l.txt').write_text(f'{tmp_path}\\a\\b.png')
    with pytest.raises(UserError, match='line 1: .* written as on Windows'): list(Sources(f'@{tmp_path}/l.txt'))

# The command line
FEW = '--method', 'vgg16-gap', '--epochs', 1, '--size', 32, '--no-export'
def washers(washer, folder, **of):
    import shutil
    for name, (src, n) in of.items():
        (folder/name).mkdir(parents=True)
        for p in sorted((washer/src).iterdir())[:n]: shutil.copy(p, folder/name/p.name)
    return folder

def test_train_says_it(defect, washer, tmp_path):
    root = washers(washer, tmp_path/'parts', ok=('train/good', 12), ok_night=('train/good', 0), scratch=('test/scratch', 5), unsure=('test/spot', 2))
    for p in sorted((washer/'train/good').iterdir())[12:15]: (root/'ok_night'/p.name).write_bytes(p.read_bytes())
    (root/'notes.txt').write_text('x')
    out = tmp_path/'run'
    refused(defect('train', root, '-o', out), 'ok (12), ok_night (3), scratch (5), unsure (2)', '--good ok')
    r = defect('train', root, '-o', out, '--size', 64, '--no-export', '--good', 'ok', 'ok_night', '--skip', 'unsure')
    assert r.returncode == 0, r.stderr
    assert 'good = ok, ok_night (15), anomaly = scratch (types scratch 5)' in r.stdout
    line = next(l for l in r.stdout.splitlines() if l.startswith('passed over'))
    assert '2 photos of the class unsure' in line and 'notes.txt' in line
    r = defect('check', root, '--good', 'ok', 'ok_night', '--skip', 'unsure')
    assert 'good = ok, ok_night (15)' in r.stdout and 'passed over' in r.stdout
    r = defect('test', out, root, '--good', 'ok', 'ok_night', '--skip', 'unsure', '--include-seen')
    assert r.returncode == 0 and 'good = ok, ok_night (15)' in r.stdout, r.stderr

def test_train_runs_the_cheap_checks(defect, washer, tmp_path):
    root = washers(washer, tmp_path/'parts', good=('train/good', 12), bad=('test/scratch', 5))
    for p in sorted((root/'bad').iterdir()): Image.open(p).resize((90, 90)).save(p)       # the size tells the label
    Image.new('RGB', (160, 160), 'grey').save(root/'good/lens_cap.png')
    r = defect('train', root, '-o', tmp_path/'run', '--size', 64, '--no-export')
    assert r.returncode == 0, r.stderr
    assert 'shortcut: The size alone tells' in r.stdout and 'flat: ' in r.stdout and f'defect check {root}' in r.stdout
    for n in ('torn.png', 'torn2.png'): (root/'good'/n).write_bytes(b'no photo')
    refused(defect('train', root, '-o', tmp_path/'x'), '2 photos cannot be read', 'torn.png', 'torn2.png')

def test_predict_passes_masks_over(defect, run, washer, tmp_path):
    r = defect('predict', run, washer, '-o', tmp_path/'p')
    m = json.loads((tmp_path/'p/manifest.json').read_text())
    assert m['seen'] == len(list(washer.glob('t*/*/*.png'))) and m['passed']['mask']['n'] == m['skipped'] == len(list(washer.glob('ground_truth/*/*.png')))
    assert 'passed over:' in r.stderr and 'masks' in r.stderr
    r = defect('report', run, washer/'train/good', '-o', tmp_path/'r.html', '--include-seen')
    assert r.returncode == 0 and 'passed over' not in r.stderr

# A CSV, options -> words of the refusal, or the labels; and words of what is said
SPELLED = [
    ('0.png,OK 1.png,ok 2.png,OK 3.png,NG', {}, 'ggga', "'ok' as 'OK'"), ('0.png,good 1.png,CRACK 2.png,crack 3.png,crack', {}, 'gaaa', "'CRACK' as 'crack'"),
    ('0.png,good 1.png,de\u0301faut 2.png,d\u00e9faut 3.png,dent', {}, 'gaaa', 'spelled'), ('0.png,ok\u200b 1.png,ok 2.png,ok 3.png,ng', {}, 'ggga', 'spelled'),
    ('0.png,OK 1.png,OK 2.png,x 3.png,x', dict(good='ok'), 'ggaa', ''), ('0.png,0.0 1.png,1.0 2.png,1.0', dict(good='0'), 'gaa', ''),
    ('0.png,none 1.png,crack 2.png,none', {}, 'say --good none', ''), ('0.png,none 1.png,crack 2.png,None', dict(good='none'), 'gag', ''),
    ('0.png,none 1.png,crack 2.png,', dict(good='none'), 'say --good none ""', ''), ('0.png,none 1.png,crack 2.png,', dict(good=['none', '']), 'gag', ''),
    ('0.png, 1.png,crack 2.png,', {}, 'say --good none', ''), ('0.png, 1.png,crack 2.png,', dict(good='none'), 'gag', '')]
@pytest.mark.parametrize('rows,how,expected,said', SPELLED)
def test_spelled(rows, how, expected, said, tmp_path):
    f, lines = table(tmp_path, 'path,defect_type\n' + rows.replace(' ', '\n') + '\n'), []
    try: got = ''.join(l[0] for l in samples(f, say=lines.append, **how).label)
    except UserError as e: got = str(e)
    assert expected == got or ' ' in expected and expected in got
    assert said in '\n'.join(lines)

CONTRADICT = [('ok,scratch', 1), ('crack,none', 1), ('crack,good', 1), ('ok,none', 0), ('ok,', 0), ('ok,good', 0), ('crack,deep', 0), ('crack,', 0), ('ok,0', 0), ('ok,no defect', 0)]
@pytest.mark.parametrize('row,refused', CONTRADICT)
def test_label_and_defect(row, refused, tmp_path):
    f = table(tmp_path, f'path,label,defect\n0.png,ok,\n1.png,crack,scratch\n2.png,{row}\n')
    if refused:
        with pytest.raises(UserError, match='lines? 4.*correct one'): samples(f)
    else: assert len(samples(f)) == 3

@pytest.mark.parametrize('column,values', [('dataset', 'pill pill'), ('set', 'A B'), ('fold', '0 4'), ('phase', '1 2')])
def test_no_split(column, values, tmp_path):
    a, b = values.split()
    lines = []
    f = table(tmp_path, f'path,label,{column}\n0.png,ok,{a}\n1.png,ng,{b}\n')
    assert not samples(f, say=lines.append).split.any() and f"column '{column}' is no split" in '\n'.join(lines)
    f = table(tmp_path, f'path,label,{column}\n0.png,ok,Train\n1.png,ng,test\n')
    assert samples(f).split.tolist() == ['train', 'test']

@pytest.mark.parametrize('name', ['./0.png', '0.png#1', 'x/../0.png', 'link.png', '{}/0.png'])
def test_one_photo_twice(name, tmp_path):
    photos(tmp_path, '0.png', '1.png', 'x/2.png')
    (tmp_path/'link.png').symlink_to(tmp_path/'0.png')
    name = name.format(tmp_path)
    (tmp_path/'t.csv').write_text(f'path,label\n0.png,ok\n{name},ng\n1.png,ng\n')
    with pytest.raises(UserError, match='twice'): samples(tmp_path/'t.csv')
    t = pd.DataFrame(dict(path=[str(tmp_path/'0.png'), name if name.startswith('/') else f'{tmp_path}/{name}', str(tmp_path/'1.png')], label=['good', 'anomaly', 'anomaly']))
    with pytest.raises(UserError, match='twice'): samples(t)

def test_table_beside_folders(tmp_path):
    photos(tmp_path, 'good/0.png', 'bad/1.png')
    lines = []
    (tmp_path/'labels.csv').write_text('path,label\ngood/0.png,ok\nbad/1.png,ng\n')
    (tmp_path/'notes.csv').write_text('a,b\n1,2\n')
    samples(tmp_path, say=lines.append)
    assert f'labels.csv looks like a table of labels and is not used: give {tmp_path/"labels.csv"}' in '\n'.join(lines) and 'notes.csv looks' not in '\n'.join(lines)

ODD = [dict(source=None), dict(source=[]), dict(source={}), dict(good=False), dict(good={}), dict(good=3), dict(skip=1), dict(pixels=4095), dict(pixels=(5, 5)),
       dict(pixels='ab'), dict(pixels=(1, 2, 3)), dict(group=3)]
@pytest.mark.parametrize('how', ODD)
def test_odd_arguments(how, tmp_path):
    photos(tmp_path, 'good/0.png', 'bad/1.png')
    with pytest.raises(UserError) as e: samples(**dict(source=tmp_path) | how)
    assert '\n' not in str(e.value)

def test_table_by_hand_as_a_csv(tmp_path):
    photos(tmp_path, '0.png', '1.png', '2.png')
    t = pd.DataFrame(dict(path=[str(tmp_path/f'{i}.png') for i in range(3)], label=['OK', 'ok', 'ng'], split=['Train', 'VAL', 'test']))
    s = samples(t)
    assert s.label.tolist() == ['good', 'good', 'anomaly'] and s.split.tolist() == ['train', 'valid', 'test']
    assert samples(t.assign(label=['GOOD', 'GOOD', 'Anomaly'])).label.tolist() == ['good', 'good', 'anomaly']
    assert samples(t.assign(label=[0, 0, 1]), good=0).label.tolist() == ['good', 'good', 'anomaly']

DIGITS = dict(classes=dict(good=['1']), learned=dict(good=['1'], anomaly=['0']))
GUESSED = dict(learned=dict(good=['ok'], anomaly=['kratzer']))
SKIPPED = dict(classes=dict(good=['a'], skip=['c']), learned=dict(good=['a'], anomaly=['b']))

@pytest.mark.parametrize('data,classes,how,labels', [
    (DIGITS, '0 1', {}, 'anomaly good'), (DIGITS, '0', {}, 'anomaly'), (DIGITS, '1', {}, 'good'), (dict(classes=dict(good=['1'])), '0 1', {}, 'anomaly good'),
    (GUESSED, 'kratzer ok', {}, 'anomaly good'), (GUESSED, 'kratzer', {}, 'anomaly'), (SKIPPED, 'a b c', {}, 'good anomaly'), (SKIPPED, 'a b', {}, 'good anomaly'),
    (SKIPPED, 'bad good', {}, 'anomaly good'), ({}, 'bad good', {}, 'anomaly good'), (dict(classes='x', learned=3), 'bad good', {}, 'anomaly good'),
    (DIGITS, '0 1', dict(good='0'), 'good anomaly'), (dict(learned=dict(good=['bad'], anomaly=['good'])), 'bad good', {}, 'good anomaly'), ])
def test_classes_mean_what_they_meant_in_training(data, classes, how, labels, tmp_path):
    folder, said = photos(tmp_path, *(f'{c}/{i}.png' for c in classes.split() for i in range(2))), []
    t = samples(folder, strict=False, data=data, say=said.append, **how)
    assert t.label.tolist()[::2] == labels.split()
    assert any('this model learned 1 as good and 0 as anomaly' in line for line in said) == bool(how), said
    by_hand = pd.DataFrame(dict(path=sorted(map(str, folder.rglob('*.png')))))
    by_hand['label'] = by_hand.path.map(lambda p: Path(p).parent.name)
    if not {*by_hand.label} <= {'good', 'bad'}: assert samples(by_hand, strict=False, data=data, **how).label.tolist()[::2] == labels.split()

def test_a_class_that_the_model_does_not_know_is_asked_about(tmp_path):
    with pytest.raises(UserError, match='is 2 good too'): samples(photos(tmp_path, '0/a.png', '1/b.png', '2/c.png'), strict=False, data=DIGITS)

def test_the_program_remembers_what_good_meant(defect, tmp_path):
    rng, folder = np.random.default_rng(0), tmp_path/'q'
    for i in range(20):
        a = np.full((64, 64, 3), 120, np.uint8) + rng.integers(0, 20, (64, 64, 3), dtype=np.uint8)
        if i % 2 == 0: a[20:40, 20:40] = 250
        (folder/str(i % 2)).mkdir(parents=True, exist_ok=True)
        Image.fromarray(a).save(folder/str(i % 2)/f'{i}.png')
    assert defect('train', folder, '--good', '1', '-o', tmp_path/'run', *FEW).returncode == 0
    data = json.loads((tmp_path/'run/bundle/model.json').read_text())['data']
    assert data['learned'] == dict(good=['1'], anomaly=['0']) and data['classes'] == dict(good=['1'])
    for words in (['test', tmp_path/'run', folder, '--include-seen'], ['compare', tmp_path/'run', tmp_path/'run', folder],
                  ['report', tmp_path/'run', folder, '-o', tmp_path/'r.html']):
        r = defect(*words)
        assert r.returncode == 0 and 'good = 1 (' in r.stdout + r.stderr and 'this model learned' not in r.stdout + r.stderr, r
        r = defect(*words, '--good', '0')
        assert 'this model learned 1 as good and 0 as anomaly' in r.stdout + r.stderr, r
