"""What must hold before a release: `make release-check`

The wheel and the sdist are built and checked; the wheel is installed from the package index into empty environments, alone, with each extra and with all of them,
with the newest fastai and with the one that is pinned for development; and where it is alone, photos are learned from and judged with the network cut off.
A machine that only inspects is made of requirements-inspect.txt, and its page of requirements-inspect-app.txt: both judge photos without PyTorch."""
import configparser, json, os, re, shutil, subprocess, sys, tempfile, time, urllib.request
from pathlib import Path

root = Path(__file__).parent.parent
BIN = Path(sys.executable).parent
cfg = configparser.ConfigParser(delimiters=['='], comment_prefixes=('#', ';'))
cfg.read(root/'settings.ini')
cfg = cfg['DEFAULT']
LIMIT = 40e6                                                               # Bytes of the wheel

def sh(*args, **kw):
    r = subprocess.run([str(a) for a in args], capture_output=True, text=True, **kw)
    if r.returncode: sys.exit(f'failed: {" ".join(map(str, args))[:300]}\n{(r.stdout + r.stderr)[-3000:]}')
    return r.stdout

def said(what, value): print(f'{what:44} {value}', flush=True)

def one_version():
    v = cfg['version']
    from_package = re.search(r"__version__ = [\"'](.*)[\"']", (root/'defect_nbdev/__init__.py').read_text())[1]
    newest = re.search(r'^## (\S+)', (root/'CHANGELOG.md').read_text(), re.M)[1]
    if {from_package, newest} != {v}: sys.exit(f'settings.ini says {v}, the package {from_package}, the newest heading of CHANGELOG.md {newest}: make them one.')
    said('version in settings, package, changelog', v)

def built(dist):
    shutil.rmtree(root/'build', ignore_errors=True)
    sh(BIN/'uv', 'build', '-q', '-o', dist, root)
    wheel, = dist.glob('*.whl')
    sdist, = dist.glob('*.tar.gz')
    sh(BIN/'uv', 'tool', 'run', 'twine', 'check', '--strict', wheel, sdist)
    for f in (wheel, sdist): said(f.name, f'{f.stat().st_size/1e6:.1f} MB')
    if wheel.stat().st_size >= LIMIT: sys.exit(f'The wheel is larger than {LIMIT/1e6:.0f} MB.')
    return wheel

def environment(at, *what):
    sh(BIN/'uv', 'venv', '-q', '--python', sys.executable, at)
    sh(BIN/'uv', 'pip', 'install', '-q', '--python', at/'bin/python', *what, env=os.environ | dict(VIRTUAL_ENV=str(at)))
    return at/'bin'

NEEDS = dict(gradcam=['pytorch_grad_cam'], timm=['timm'], track=['tensorboard', 'wandb'], metric=['pytorch_metric_learning'], shap=['shap', 'cv2'], export=['onnx', 'onnxscript', 'onnxruntime', 'openvino', 'nncf'], scale=['ray', 'fsspec', 'accelerate'], app=['starlette', 'uvicorn', 'ipywidgets'], excel=['openpyxl'], heif=['pillow_heif'], demo=['elpv_dataset'])

def tries(at, extras):
    "Import everything, from a folder that is not the checkout."
    code = ''.join(f'import {m}; ' for e in extras for m in NEEDS[e]) + 'import warnings; warnings.filterwarnings("ignore"); import defect_nbdev.all, defect_nbdev.runs.demo, defect_nbdev.cli.program, importlib.metadata as m; print(m.version("fastai"), m.version("torch"))'
    return sh(at/'python', '-c', code, cwd=at.parent).split()

def offline(at, d):
    "Learn and judge without a network."
    cut = next((c for c in (['unshare', '-rn'], ['sudo', '-n', 'unshare', '-n']) if shutil.which(c[0]) and not subprocess.run([*c, 'true'], capture_output=True).returncode), None)
    if not cut: sys.exit('The network cannot be cut off here (unshare is not allowed): run this where it is.')
    sh(at/'python', '-c', f'from defect_nbdev.data.synth import synth_folder; synth_folder({str(d/"parts")!r}, 24, 16, size=96)', cwd=d)
    sh(*cut, at/'defect', 'train', d/'parts', '-o', d/'run', '--method', 'vgg16-gap', '--epochs', 1, '--size', 64, cwd=d)
    out = sh(*cut, at/'defect', 'predict', d/'run', d/'parts/test', '-o', d/'out', cwd=d)
    said('learned and judged without a network', out.strip().splitlines()[-1].split('->')[0].strip())

def only_inspects(wheel, d):
    "Empty environments with the short lists of packages: predict and watch in both, the page in the second."
    sh(BIN/'python', '-c', f'from defect_nbdev.data.synth import synth_folder; synth_folder({str(d/"washer")!r}, 24, 16, size=128)')
    out = sh(BIN/'defect', 'train', d/'washer', '-o', d/'trained', '--size', 96)
    if 'exported to ONNX in' not in out: sys.exit(f'training left no export:\n{out}')
    for file in ('requirements-inspect.txt', 'requirements-inspect-app.txt'):
        at = d/file
        sh(sys.executable, '-m', 'venv', at)
        for what in (['-r', root/file], [wheel]): sh(at/'bin/pip', 'install', '-q', '--no-deps', *what)
        said(f'installed: {file}', f'{megabytes(at)} MB')
        judges(at, d)
        if 'app' in file: said('  defect app', page_judges(at, d))
        shutil.rmtree(at)

def megabytes(at): return int(sh('du', '-sm', at).split()[0])

def judges(at, d):
    "One photo, timed from a cold start; a folder; a folder that fills."
    photo, defect = next((d/'washer/test/spot').iterdir()), at/'bin/defect'
    start = time.perf_counter()
    sh(defect, 'predict', d/'trained', photo, cwd=d)
    said('  defect predict of one photo', f'{time.perf_counter() - start:.1f} s, the first time')
    start = time.perf_counter()
    sh(defect, 'predict', d/'trained', photo, cwd=d)
    said('  and again', f'{time.perf_counter() - start:.1f} s')
    sh(defect, 'predict', d/'trained', d/'washer/test', '-o', d/'out', '--force', '--heatmaps', '--masks', cwd=d)
    shutil.rmtree(d/'inbox', ignore_errors=True)
    shutil.rmtree(d/'shift', ignore_errors=True)
    shutil.copytree(d/'washer/test/spot', d/'inbox')
    said('  defect watch', sh(defect, 'watch', d/'trained', d/'inbox', '-o', d/'shift', '--once', '--settle', .2, cwd=d).splitlines()[-1].split('->')[0].strip())

def page_judges(at, d):
    "The page is asked as a browser asks it: upload a photo, wait for the verdict."
    p = subprocess.Popen([str(at/'bin/defect'), 'app', str(d/'trained')], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=d)
    try:
        url = re.search(r'open (\S+)', p.stdout.readline())[1].rstrip('/')
        return _first_verdict(url, next((d/'washer/test/spot').iterdir()))
    finally:
        p.terminate()
        p.wait(30)

def _first_verdict(url, photo):
    "The token of the page, then a photo."
    page = urllib.request.urlopen(url, timeout=60).read().decode()
    headers = {'X-Token': re.search('name="token" content="([^"]+)"', page)[1]}
    r = urllib.request.Request(f'{url}/photos?name={photo.name}', photo.read_bytes(), headers, method='PUT')
    return json.loads(urllib.request.urlopen(r, timeout=60).read())['part']['label']

def main():
    one_version()
    pinned = re.search(r'fastai==(\S+)', cfg['dev_requirements'])[0]
    extras = [e for e in cfg['extras'].split() if e != 'dev']
    with tempfile.TemporaryDirectory(dir=root/'.cache') as d:
        d = Path(d)
        wheel = built(d/'dist')
        every = f'{wheel}[{",".join(extras)}]'
        for name, has, what in [('alone', [], [wheel])] + [(e, [e], [f'{wheel}[{e}]']) for e in extras] + [('all extras', extras, [every]), (f'all extras, {pinned}', extras, [every, pinned])]:
            at = environment(d/'env', *what)
            said(f'installs: {name}', 'fastai {}, torch {}'.format(*tries(at, has)[-2:]))
            if name == 'alone': offline(at, d)
            shutil.rmtree(d/'env')
        only_inspects(wheel, d)
        shutil.rmtree(root/'dist', ignore_errors=True)
        shutil.copytree(d/'dist', root/'dist')
    print('ready: dist/ holds what is released')

if __name__ == '__main__':
    (root/'.cache').mkdir(exist_ok=True)
    main()
