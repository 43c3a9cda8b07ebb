"Folders from which not everything can be computed: what can be is, and the rest is said."
import json, os, shutil
from conftest import refused

def copy(paths, folder):
    folder.mkdir(parents=True)
    for p in paths: shutil.copy(p, folder)

def test_only_good_parts(defect, run, washer, tmp_path):
    copy(sorted((washer/'train/good').iterdir())[:5], tmp_path/'only/good')
    r = defect('check', tmp_path/'only')
    assert r.returncode == 1 and 'There is no anomaly' in r.stdout
    r = defect('test', run, tmp_path/'only', '--include-seen', '-o', tmp_path/'t')
    assert r.returncode == 0, r.stderr
    assert 'escape             -' in r.stdout and json.loads((tmp_path/'t/metrics.json').read_text())['escape'] is None
    r = defect('report', run, tmp_path/'only', '--include-seen', '-o', tmp_path/'r.html')
    assert r.returncode == 0, r.stderr
    refused(defect('train', tmp_path/'only', '-o', tmp_path/'x'), '5 good and 0 anomalous parts', 'too few')

def test_two_photos(defect, run, washer, tmp_path):
    copy(sorted((washer/'train/good').iterdir())[:1], tmp_path/'two/good')
    copy(sorted((washer/'test/scratch').iterdir())[:1], tmp_path/'two/bad')
    r = defect('check', tmp_path/'two')
    assert r.returncode == 1 and 'too few' in r.stdout
    r = defect('report', run, tmp_path/'two', '--include-seen', '-o', tmp_path/'r.html')
    assert r.returncode == 0, r.stderr
    page = (tmp_path/'r.html').read_text()
    assert 'AUPRO' not in page and 'Calibration' in page      # no masks: nothing is said of the place
    refused(defect('train', tmp_path/'two', '-o', tmp_path/'x'), 'too few')

def test_threshold_that_cannot_be_promised(defect, run, tmp_path):
    copy_of = tmp_path/'run'
    shutil.copytree(run, copy_of)
    r = defect('threshold', copy_of, '--max-escape', '1%')
    assert r.returncode == 0 and '299 are needed' in r.stdout
    assert '"max_escape": 0.01' in (copy_of/'bundle/model.json').read_text()
    before = (copy_of/'bundle/model.json').read_bytes()
    r = defect('threshold', copy_of, '--f1', '--dry-run')
    assert r.returncode == 0 and (copy_of/'bundle/model.json').read_bytes() == before
    refused(defect('threshold', tmp_path), 'no model bundle')
    refused(defect('threshold', copy_of, '--max-escape', '5%', '--cost-escape', '3'), 'Give one rule')

def test_feedback_on_data_that_has_moved(defect, run, washer, tmp_path):
    copy_of = tmp_path/'run'
    shutil.copytree(run, copy_of)
    f = copy_of/'bundle/model.json'
    info = json.loads(f.read_text())
    info['data']['source'] = str(tmp_path/'moved')
    f.write_text(json.dumps(info))
    photo = sorted((washer/'test/scratch').iterdir())[0]
    refused(defect('feedback', 'add', copy_of, photo, '--should-be', 'anomaly'), 'moved', '--store')
    r = defect('feedback', 'add', copy_of, photo, '--should-be', 'anomaly', '--store', tmp_path/'said.sqlite')
    assert r.returncode == 0 and (tmp_path/'said.sqlite').exists()
    refused(defect('feedback', 'add', copy_of, tmp_path/'gone.png', '--should-be', 'good', '--store', tmp_path/'said.sqlite'), 'gone.png')
    r = defect('feedback', 'list', copy_of, '--store', tmp_path/'said.sqlite')
    assert r.returncode == 0 and 'anomaly' in r.stdout and len(r.stdout.splitlines()) == 2

def test_names_that_are_no_text(defect, run, washer, tmp_path):
    "File names of Linux may hold any bytes."
    for label, source in (('good', 'train/good'), ('bad', 'test/scratch')):
        folder = tmp_path/'odd'/label
        folder.mkdir(parents=True)
        for i, p in enumerate(sorted((washer/source).iterdir())[:4]): shutil.copyfile(p, os.fsencode(folder) + b'/\xff%d.png' % i)
    with open(os.fsencode(tmp_path/'odd/bad') + b'/\xfetorn.png', 'wb') as f: f.write(b'PNG')
    r = defect('check', tmp_path/'odd', '-o', tmp_path/'c')
    assert r.returncode == 1 and 'unreadable' in (tmp_path/'c/check.html').read_text(encoding='utf-8') and (tmp_path/'c/check.json').exists()
    r = defect('report', run, tmp_path/'odd', '--include-seen', '-o', tmp_path/'r.html')
    assert r.returncode == 0, r.stderr
    assert '1 photos could not be read' in (tmp_path/'r.html').read_text(encoding='utf-8')
    r = defect('predict', run, tmp_path/'odd', '-o', tmp_path/'p')
    assert r.returncode == 1 and '1 ERROR' in r.stdout, r.stderr

def test_thresholds_that_make_no_sense(defect, run, tmp_path):
    copy_of = tmp_path/'run'
    shutil.copytree(run, copy_of)
    for args, word in ((('--max-escape', '5%', '--confidence', '1'), 'confidence'), (('--at', '.5', '.2'), 'ascending'), (('--max-escape', '0', '--review', '0', '--f1'), 'Give one rule')):
        refused(defect('threshold', copy_of, *args), word)
    r = defect('threshold', copy_of, '--max-escape', '0')
    assert r.returncode == 0 and 'No number of parts can promise' in r.stdout, r.stdout + r.stderr

def test_no_validation_part(defect, washer, tmp_path):
    r = defect('train', washer, '-o', tmp_path/'run', '--method', 'vgg16-gap', '--epochs', 1, '--size', 96, '--valid', 0, '--no-export')
    assert r.returncode == 0, r.stderr
    refused(defect('threshold', tmp_path/'run', '--max-escape', '5%'), 'validation')
    r = defect('threshold', tmp_path/'run', '--at', '.2', '.7')
    assert r.returncode == 0, r.stderr
    assert defect('threshold', tmp_path/'run').returncode == 0 and defect('report', tmp_path/'run', washer, '-o', tmp_path/'r.html').returncode == 0

def test_tracked_run(defect, washer, tmp_path):
    for method in (('--method', 'vgg16-gap', '--epochs', 1, '--size', 96), ('--size', 96)):
        r = defect('train', washer, '-o', tmp_path/'runs/mine', '--force', '--no-export', '--track', 'tensorboard', *method)
        assert r.returncode == 0 and 'tensorboard --logdir' in r.stdout, r.stderr
    assert len(list((tmp_path/'runs/tensorboard').glob('mine-*'))) == 2
    refused(defect('train', washer, '--folds', 2, '--track', 'wandb'), '--track')

def test_other_methods(defect, washer, tmp_path):
    "Metric learning by type of defect and cracks with SHAP, from photos to verdicts and a page."
    photo = sorted((washer/'test/scratch').iterdir())[0]
    for method, more, size in (('adacos', ('--checkpoints', 1, '--no-export'), 64), ('crack-shap', ('--evals', 10), 64)):
        out = tmp_path/method
        r = defect('train', washer, '-o', out, '--method', method, '--epochs', 2 if method == 'adacos' else 1, '--size', size, *more)
        assert r.returncode == 0, r.stderr
        r = defect('predict', out, photo, '-o', tmp_path/f'p-{method}', '--heatmaps', '--overlays')
        assert r.returncode == 0, r.stderr
        r = defect('report', out, washer, '-o', tmp_path/f'{method}.html')
        assert r.returncode == 0 and 'AUPRO' in (tmp_path/f'{method}.html').read_text(), r.stderr
        r = defect('threshold', out, '--f1')
        assert r.returncode == 0, r.stderr
    assert (tmp_path/'adacos/checkpoints/epoch_0001/model.json').is_file() and (tmp_path/'adacos/tsne.png').is_file()
    r = defect('compare', tmp_path/'adacos/checkpoints/epoch_0001', tmp_path/'adacos')
    assert r.returncode == 0, r.stderr
    r = defect('predict', tmp_path/'crack-shap', photo, '--evals', 5, '--masker', 'inpaint_ns', '--threshold', 0)
    assert r.returncode == 0 and 'SHAP: 1 photos x 5 evaluations' in r.stderr
    refused(defect('predict', tmp_path/'adacos', photo, '--evals', 5), 'SHAP')
    refused(defect('train', washer, '--method', 'adacos', '--evals', 5), '--evals is for --method crack-shap')

def test_folds_of_other_methods(defect, washer, tmp_path):
    for method in ('adacos', 'crack-shap'):
        r = defect('train', washer, '-o', tmp_path/method, '--method', method, '--folds', 2, '--epochs', 1, '--size', 64)
        assert r.returncode == 0, r.stderr
        assert len((tmp_path/method/'folds.csv').read_text().splitlines()) == 41                # every part once
    refused(defect('train', washer, '-o', tmp_path/'x', '--method', 'crack-shap', '--masker', 'grey'), 'masker')
    refused(defect('train', washer, '-o', tmp_path/'x', '--method', 'adacos', '--epochs', 2, '--checkpoints', 5), 'no epoch 5')
    assert not (tmp_path/'x').exists()
