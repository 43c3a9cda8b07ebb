"Bad input: one clear sentence with the file's name and the remedy, exit code 2, nothing half-written."
import json, shutil, signal, subprocess, sys, time
from pathlib import Path
import numpy as np, pandas as pd
from PIL import Image
from conftest import refused
from defect_nbdev.data.samples import samples
from defect_nbdev.data.split import split

def copy(washer, tmp_path):
    shutil.copytree(washer, tmp_path/'washer')
    return tmp_path/'washer'

def test_sources(defect, washer, tmp_path):
    out = tmp_path/'out'
    (tmp_path/'empty').mkdir()
    refused(defect('train', tmp_path/'nowhere', '-o', out), 'nowhere', 'does not exist')
    refused(defect('train', tmp_path/'empty', '-o', out), 'empty', 'no folders with images')
    one = copy(washer, tmp_path)
    shutil.rmtree(one/'test')
    refused(defect('train', one, '-o', out, '--method', 'vgg16-gap'), 'one class only', 'no anomaly', 'only the method patch begins without')
    refused(defect('train', washer, '--folds', 30, '-o', out), '16 anomaly photos', '--folds 16')
    refused(defect('train', washer, '--folds', 1, '-o', out), '1 folds')
    refused(defect('train', washer, '--good', 'fine', '-o', out), "no class 'fine'", 'scratch')
    refused(defect('train', washer/'train/good/000.png', '-o', out), 'is one file')
    refused(defect('train', washer, '--lr', .1, '-o', out), '--lr is for --method vgg16-gap')
    assert not out.exists()

def test_bad_training_images(defect, washer, tmp_path):
    w, out = copy(washer, tmp_path), tmp_path/'out'
    p = w/'train/good/000.png'
    whole = p.read_bytes()
    p.write_bytes(whole[:700])
    refused(defect('train', w, '-o', out, '--method', 'vgg16-gap', '--epochs', 1), str(p), 'cut off')
    p.write_text('not a photo')
    r = defect('train', w, '-o', out, '--method', 'vgg16-gap', '--epochs', 1)
    refused(r, str(p), 'not an image')
    assert 'computed once' not in r.stdout      # found before anything is learned
    p.write_bytes(whole)
    test = split(samples(w), .2, .2, 0).query("split == 'test'").path
    bad = Path(test.iloc[-1])
    whole = bad.read_bytes()
    bad.write_bytes(whole[:500])
    refused(defect('train', w, '-o', out, '--method', 'vgg16-gap', '--epochs', 1), str(bad), 'cut off')      # the test part's only
    refused(defect('train', w, '-o', out), str(bad), 'cut off')
    bad.write_bytes(whole)
    m = next((w/'ground_truth').rglob('*.png'))
    Image.new('L', (7, 7)).save(m)
    refused(defect('train', w, '-o', out), str(m), '7x7', 'export the mask again')
    assert sorted(o.name for o in tmp_path.iterdir()) == ['washer']

def test_the_process_is_as_before(defect):
    import fastprogress.fastprogress as f, warnings
    before = warnings.showwarning, list(warnings.filters), f.NO_BAR
    refused(defect('predict', 'nowhere', 'x.png'), 'nowhere')
    assert (warnings.showwarning, list(warnings.filters), f.NO_BAR) == before and 'print' not in vars(f)

def test_odd_images_are_fine(defect, run, washer, tmp_path):
    img = Image.open(next((washer/'test/spot').iterdir())).convert('RGB')
    g = img.convert('L')
    Image.fromarray(np.asarray(g).astype(np.uint16)*257).save(tmp_path/'sixteen.png')
    for name, im in dict(palette=img.convert('P'), rgba=img.convert('RGBA'), grey=g, onebit=g.convert('1')).items(): im.save(tmp_path/f'{name}.png')
    img.convert('CMYK').save(tmp_path/'cmyk.jpg')
    Image.new('RGB', (1, 1)).save(tmp_path/'one.bmp')
    Image.new('RGB', (700, 3)).save(tmp_path/'thin.WEBP')
    exif = Image.Exif()
    exif[0x0112] = 6
    img.resize((100, 60)).save(tmp_path/'lying.jpg', exif=exif)
    r = defect('predict', run, tmp_path, '-o', tmp_path/'out', '--overlays', '--heatmaps', '--masks')
    assert r.returncode == 0, r.stderr
    c = {Path(i['file_name']).name: (i['width'], i['height']) for i in json.loads((tmp_path/'out/coco.json').read_text())['images']}
    assert len(c) == 9 and c['lying.jpg'] == (60, 100)                   # upright
    assert len(list((tmp_path/'out/overlays').iterdir())) == len(list((tmp_path/'out/heatmaps').iterdir())) == len(list((tmp_path/'out/masks').iterdir())) == 9

def test_predict(defect, program, run, washer, tmp_path):
    good = next((washer/'train/good').iterdir())
    (tmp_path/'cut.png').write_bytes(good.read_bytes()[:300])
    (tmp_path/'zero.png').touch()
    (tmp_path/'notes.txt').write_text('x')
    refused(program('predict', run, tmp_path/'cut.png'), 'cut.png')
    refused(defect('predict', run, tmp_path/'notes.txt'), 'notes.txt', 'not an image')
    refused(defect('predict', run, tmp_path/'gone.png'), 'gone.png', 'does not exist')
    refused(defect('predict', tmp_path, good), 'no model bundle', 'defect train')
    shutil.copy(good, tmp_path/'good.png')
    r = program('predict', run, tmp_path, '-o', tmp_path/'out')         # bad photos among good ones: a row each, exit code 1
    assert r.returncode == 1, r.stderr
    t = pd.read_csv(tmp_path/'out/predictions.csv', keep_default_na=False).set_index('path')
    assert t.verdict.tolist().count('ERROR') == 2 and 'cut off' in t.error[str(tmp_path/'cut.png')]
    assert t.verdict[str(tmp_path/'good.png')] in ('PASS', 'FAIL')

def test_outputs_are_not_overwritten(defect, run, washer, tmp_path):
    (tmp_path/'mine').mkdir()
    (tmp_path/'mine/thesis.tex').write_text('x')
    refused(defect('train', washer, '-o', tmp_path/'mine', '--force'), 'left alone')
    refused(defect('train', washer, '-o', run), '--force')
    (tmp_path/'file').write_text('x')
    refused(defect('predict', run, washer/'test', '-o', tmp_path/'file/below'), 'cannot be written')

def test_interrupted_training_leaves_nothing(washer, tmp_path):
    p = subprocess.Popen([Path(sys.executable).parent/'defect', 'train', washer, '-o', tmp_path/'run', '--method', 'vgg16-gap', '--epochs', '500', '--stop', 'never'], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1,
                         preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))    # tests started in the background inherit that Ctrl-C is ignored
    try:
        assert any(line.startswith('train ') for line in iter(p.stdout.readline, ''))                           # it has begun
        time.sleep(6)
        p.send_signal(signal.SIGINT)
        _, err = p.communicate(timeout=60)
    finally: p.kill()
    assert p.returncode == 130 and 'Traceback' not in err and 'stopped' in err
    assert not list(tmp_path.iterdir())

def test_missing_extra():
    code = "import sys; sys.modules['elpv_dataset'] = None\nfrom defect_nbdev.cli.program import main\nsys.exit(main(['demo']))"
    r = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    refused(r, 'elpv_dataset', "pip install 'defect_nbdev[demo]'")

def test_damaged_bundle(defect, run, washer, tmp_path):
    good = next((washer/'train/good').iterdir())
    shutil.copytree(run/'bundle', tmp_path/'b')
    f = tmp_path/'b/model.safetensors'
    f.write_bytes(f.read_bytes()[:-9])
    refused(defect('predict', tmp_path/'b', good), 'model.safetensors', 'copy the bundle again')
