"Which photos to label next, from the command line."
import shutil
import pandas as pd, pytest
from conftest import refused
from defect_nbdev.data.feedback import STORE
from defect_nbdev.data.labelling import add_click
from defect_nbdev.data.synth import synth_folder

@pytest.fixture
def unsorted(tmp_path):
    folder = tmp_path/'unsorted'
    folder.mkdir()
    for i, p in enumerate(sorted(synth_folder(tmp_path/'more', 8, 6, size=128, seed=5).rglob('*.png'))):
        if 'ground_truth' not in p.parts: shutil.copyfile(p, folder/f'{i:02}.png')
    return folder

def test_list_and_second_run(defect, run, unsorted, tmp_path):
    r = defect('next', run, unsorted, '-n', 4, '-o', tmp_path/'next.csv')
    assert r.returncode == 0, r.stderr
    t = pd.read_csv(tmp_path/'next.csv')
    assert len(t) == 4 and t.reason.str.len().gt(5).all() and t.path.is_unique
    assert f'4 of {len(list(unsorted.iterdir()))} photos without a label' in r.stdout and 'defect label' in r.stdout
    for p in t.path[:2]: add_click(unsorted/STORE, p, 'good')
    r = defect('next', run, unsorted, '-o', tmp_path/'again.csv')
    again = pd.read_csv(tmp_path/'again.csv')
    assert not set(t.path[:2]) & set(again.path) and '2 labelled' in r.stdout

def test_learned_photos_are_left_out(defect, run, washer):
    assert ' learned from' in defect('next', run, washer).stdout

def test_unreadable_is_reported_and_nothing_is_lost(defect, run, unsorted):
    (unsorted/'torn.png').write_bytes(b'torn')
    (unsorted/'notes.txt').touch()
    r = defect('next', run, unsorted)
    assert r.returncode == 1 and 'torn.png' in r.stderr and 'notes.txt' in r.stderr and '.png   ' in r.stdout

def test_all_are_labelled(defect, run, unsorted):
    for p in unsorted.glob('*.png'): add_click(unsorted/STORE, p, 'good')
    r = defect('next', run, unsorted)
    assert r.returncode == 0 and 'nothing is left' in r.stdout

def test_refused(defect, run, tmp_path, unsorted):
    (tmp_path/'empty').mkdir()
    refused(defect('next', run, tmp_path/'empty'), 'holds no images')
    refused(defect('next', 'nowhere', unsorted), 'no model bundle')
    refused(defect('next', run, tmp_path/'none'), 'does not exist')
    refused(defect('next', run, unsorted, '-n', 0), 'not 1 or more')

def test_two_at_a_time(defect, run, unsorted, tmp_path):
    from defect_nbdev.core.lock import locked
    with locked(tmp_path/'next.csv'): refused(defect('next', run, unsorted, '-o', tmp_path/'next.csv'), 'Another run is writing')
