"Rivals in a table: jobs, answers, and what happens when a process fails. Nothing here needs anomalib."
import json, sys
from pathlib import Path
import numpy as np, pandas as pd, pytest
from conftest import ROOT
from defect_nbdev.core.errors import UserError
from defect_nbdev.data.samples import samples
from defect_nbdev.study import rivals
from defect_nbdev.study.rival_jobs import RIVALS, job_of, read_answer, run_process, tables
from defect_nbdev.study.rivals import add_row, behind, measure, read_rows

@pytest.fixture(scope='module')
def t(washer): return samples(washer)

@pytest.fixture
def home(tmp_path):
    "A checkout whose .venv-rivals is this Python; write(code) is its job script."
    (tmp_path/'.venv-rivals/bin').mkdir(parents=True); (tmp_path/'.venv-rivals/bin/python').write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n'); (tmp_path/'.venv-rivals/bin/python').chmod(0o755)
    (tmp_path/'benchmarks/rivals').mkdir(parents=True)
    return tmp_path

def script(home, code): (home/'benchmarks/rivals/anomalib_job.py').write_text('import json, sys, numpy as np\njob = json.load(open(sys.argv[1]))\nn = sum(r["split"] == "test" for r in job["photos"])\n' + code)

RIGHT = 'y = np.array([r["split"] == "test" and r["label"] == "anomaly" for r in job["photos"] if r["split"] == "test"], np.float32)\nrng = np.random.default_rng(0)\nnp.savez(job["out"], scores=y, maps=rng.random((n, 8, 8)).astype(np.float32) + y[:, None, None], about=np.array(json.dumps(dict(costs=dict(train_seconds=1.)))))'

def test_a_job_tells_no_truth(t):
    f = tables(t, 'folds')[0]
    job = job_of(RIVALS['PatchCore'], f, 'answer.npz', 3)
    text = json.dumps(job)
    assert 'mask' not in text and 'ground_truth' not in text
    assert {r['split'] for r in job['photos']} == {'train', 'test'} and job['seed'] == 3 and job['size'] == 256
    assert Path(job['weights']).parent.name in ('weights', 'pretrained')

def test_rows_are_kept_and_not_measured_again(washer, home, tmp_path):
    script(home, RIGHT)
    out, lines = tmp_path/'rows.csv', []
    assert measure(washer.parent, [washer.name], ['official'], ['PaDiM'], out=out, say=lines.append, home=home) == []
    r = read_rows(out)
    assert len(r) == len(lines) == 1 and r.auroc[0] == 1 and r.threshold[0] == r.boxes[0] == 'best on test'
    script(home, 'sys.exit("asked again")')
    assert measure(washer.parent, [washer.name], ['official'], ['PaDiM'], out=out, say=lines.append, home=home) == [] and len(lines) == 1
    failed = measure(washer.parent, [washer.name], ['official'], ['DFM'], out=out, say=lines.append, home=home)
    assert len(failed) == 1 and 'asked again' in failed[0] and len(read_rows(out)) == 1

def test_methods_that_need_anomalies_stay_out_of_the_official_split(washer, home, tmp_path):
    assert measure(washer.parent, [washer.name], ['official'], ['VGG16-GAP', 'fastai', 'linear probe'], out=tmp_path/'rows.csv', say=print, home=home) == []
    assert not (tmp_path/'rows.csv').exists()

def test_missing_environment_is_one_sentence(t, tmp_path):
    with pytest.raises(UserError, match='is missing.*make it with make rivals'): run_process(RIVALS['PaDiM'], job_of(RIVALS['PaDiM'], t, tmp_path/'a.npz'), tmp_path)

DAMAGED = {
    'nothing': ('', 'is missing'), 'no archive': ('open(job["out"], "w").write("none")', 'is damaged'),
    'half': (RIGHT + '\nb = open(job["out"], "rb").read(); open(job["out"], "wb").write(b[:len(b)//2])', 'is damaged'),
    'an array less': ('np.savez(job["out"], scores=np.zeros(n))', 'is damaged'),
    'objects': ('np.savez(job["out"], scores=np.array([{}]*n), maps=np.zeros((n, 4, 4)), about=np.array("{}"))', 'is damaged'),
    'a photo less': ('np.savez(job["out"], scores=np.zeros(n - 1), maps=np.zeros((n - 1, 4, 4)), about=np.array("{}"))', 'were asked for'),
    'NaN': ('np.savez(job["out"], scores=np.full(n, np.nan), maps=np.zeros((n, 4, 4)), about=np.array("{}"))', 'NaN')}

@pytest.mark.parametrize('case', DAMAGED)
def test_a_damaged_answer_is_no_row(case, t, home, tmp_path):
    code, said = DAMAGED[case]
    script(home, code)
    f = tables(t, 'official')[0]
    out = tmp_path/'answer.npz'
    with pytest.raises(UserError, match=said):
        run_process(RIVALS['DFM'], job_of(RIVALS['DFM'], f, out), home)
        read_answer(out, (f.split == 'test').sum())

def test_other_tables_are_left_alone(tmp_path):
    f = tmp_path/'other.csv'; f.write_text('a,b\n1,2\n')
    with pytest.raises(UserError, match='no table of rivals'): add_row(f, dict(part='a'))
    assert f.read_text() == 'a,b\n1,2\n'

def test_behind_names_each_mean():
    row = {k: .5 for k in rivals.MEASURES + rivals.LOWER} | dict(part='a', protocol='folds', seed=0, fold=0)
    r = pd.DataFrame([row | dict(rival='patch'), row | dict(rival='x', auroc=.6, escape=.6), row | dict(rival='y', overkill=.4)])
    assert behind(r)[['measure', 'rival']].values.tolist() == [['auroc', 'x'], ['overkill', 'y']]

def test_the_job_script_knows_all_models():
    "Each rival of anomalib has its function and its settings; read as text, since this Python has no anomalib."
    text = (ROOT/'benchmarks/rivals/anomalib_job.py').read_text()
    for r in RIVALS.values():
        if r.anomalib: assert f'def {r.model}()' in text and f"'{r.model}':" in text
