"""A run of many photos: memory, kills, workers that die, photos a second. Takes an hour on two cores.

    python tests/scale.py -o benchmarks/scale.json               all parts
    python tests/scale.py -o benchmarks/scale.json --parts many  one of many, vgg16, ray, sizing; the others stay

Part many uses VGG16 on pictures of 32 x 32 pixels, which takes a fiftieth of the time of 224 x 224; the others use 224 and photos of solar cells."""
import argparse, hashlib, io, json, os, platform, random, re, signal, subprocess, sys, tempfile, time
from importlib.metadata import version
from pathlib import Path
import pandas as pd
from PIL import Image, ImageDraw
from defect_nbdev.core.files import new_file
from defect_nbdev.data.samples import elpv_samples
from defect_nbdev.data.synth import synth_folder

EXE, ENV = Path(sys.executable).parent/'defect', os.environ | dict(PYTHONWARNINGS='ignore')

def start(*args, threads=1): return subprocess.Popen([EXE, *map(str, args)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=ENV | dict(OMP_NUM_THREADS=str(threads)), start_new_session=True)

def run(*args, threads=1):
    "Exit code, peak memory in MB and seconds of a command."
    t = time.perf_counter()
    p = start(*args, threads=threads)
    err = p.stderr.read()
    _, status, use = os.wait4(p.pid, 0)
    code = os.waitstatus_to_exitcode(status)
    if code > 1: sys.exit(f'{args}: {err.decode()[-2000:]}')
    return code, use.ru_maxrss/1024, time.perf_counter() - t

def model(d, size):
    "A trained run; how well it is trained does not matter here."
    if (d/f'model{size}').exists(): return d/f'model{size}'
    synth_folder(d/'washer', 24, 16, size=96)
    run('train', d/'washer', '-o', d/f'model{size}', '--method', 'vgg16-gap', '--epochs', 1, '--size', size)
    return d/f'model{size}'

def photos(d, n):
    "Small photos in folders of a thousand; one in a hundred is broken. Returns the broken ones."
    base, bad = [Image.open(p) for p in sorted((d/'washer').rglob('*/good/*.png'))], []
    for i in range(n):
        p = d/f'photos{n}/{i//1000:03}/{i:06}.jpg'
        p.parent.mkdir(parents=True, exist_ok=True)
        im = base[i % len(base)].convert('RGB').copy()
        ImageDraw.Draw(im).text((30, 40), str(i), fill='red')
        b = io.BytesIO()
        im.save(b, 'jpeg', quality=80)
        b = b.getvalue()
        if i % 100 == 7:
            b = (b[:len(b)//2], b'', b'no photo', b[:10])[i//100 % 4]
            bad.append(str(p))
        p.write_bytes(b)
    return bad

def digest(out): return {f: hashlib.sha256((out/f).read_bytes()).hexdigest()[:16] for f in ('predictions.csv', 'coco.json')}

def killed(whole, seconds, seed, out, *args):
    "Three kills at random moments, then the end; True if the files are those of the undisturbed run."
    r, at = random.Random(seed), []
    for _ in range(3):
        p = start(*args, '-o', out, '--resume')
        begun = time.time()
        while not (out/'run.json').exists() and p.poll() is None: time.sleep(.05)
        time.sleep(r.uniform(4, max(5., seconds/3)))
        p.send_signal(signal.SIGKILL)
        p.wait()
        p.stderr.close()
        at.append(dict(seconds=round(time.time() - begun, 1), shards_written=len(list((out/'shards').glob('*.parquet'))) if (out/'shards').exists() else 0))
    run(*args, '-o', out, '--resume')
    return dict(kills=at, equal_bytes=digest(out) == digest(whole))

def rows(out):
    t = pd.read_csv(out/'predictions.csv', keep_default_na=False)
    return dict(rows=len(t), twice=int(t.path.duplicated().sum()), errors=int((t.verdict == 'ERROR').sum())), t

def many(d, n=20_000):
    m, bad = model(d, 32), photos(d, n)
    few = d/'few.txt'
    few.write_text('\n'.join(str(p) for p in sorted((d/f'photos{n}').rglob('*.jpg'))[:500]))
    _, mb_few, _ = run('predict', m, f'@{few}', '-o', d/'few')
    code, mb, s = run('predict', m, d/f'photos{n}', '-o', d/'whole')
    about, t = rows(d/'whole')
    return dict(photos=n, broken=len(bad), **about, broken_all_reported=set(t[t.verdict == 'ERROR'].path) == set(bad), exit_code=code, seconds=round(s), mb_500=round(mb_few), mb_all=round(mb), **killed(d/'whole', s, 1, d/'killed', 'predict', m, d/f'photos{n}'))

def cells(d, n):
    (d/f'cells{n}.txt').write_text('\n'.join(elpv_samples().path[:n]))
    return f'@{d}/cells{n}.txt'

def vgg16(d, n=500):
    m, c = model(d, 224), cells(d, n)
    code, mb, s = run('predict', m, c, '-o', d/'whole224', '--force')
    about, _ = rows(d/'whole224')
    size = sum(f.stat().st_size for f in (d/'whole224').rglob('*') if f.is_file())
    return dict(photos=n, **about, exit_code=code, seconds=round(s), mb=round(mb), bytes_a_photo=round(size/n), **killed(d/'whole224', s, 2, d/'killed224', 'predict', m, c))

def actors(): return [int(p.name) for p in Path('/proc').iterdir() if p.name.isdigit() and re.search(rb'ray::.*(MapWorker|Judge)', (p/'cmdline').read_bytes() if (p/'cmdline').exists() else b'')]

def ray(d, n=500):
    m, c, extra = model(d, 224), cells(d, n), ('--engine', 'ray', '--workers', 2)
    if not (d/'whole224/predictions.csv').exists(): run('predict', m, c, '-o', d/'whole224')
    run('predict', m, c, '-o', d/'ray', *extra)
    out = dict(photos=n, equal_bytes=digest(d/'ray') == digest(d/'whole224'), **rows(d/'ray')[0])
    p = start('predict', m, c, '-o', d/'rayk', *extra)
    while p.poll() is None and not actors(): time.sleep(.2)
    time.sleep(15)
    victim = actors()[0]
    out['unfinished_when_killed'] = not (d/'rayk/manifest.json').exists()
    os.kill(victim, signal.SIGKILL)
    p.communicate()
    return out | dict(after_kill=dict(exit_code=p.returncode, equal_bytes=digest(d/'rayk') == digest(d/'whole224'), **rows(d/'rayk')[0]))

def sizing(d):
    out, m = [], model(d, 224)
    for engine, k, threads in (('local', 1, 1), ('local', 1, 2), ('ray', 1, 1), ('ray', 2, 1)):
        t, w = {}, 2 if engine == 'local' else k                             # of the local engine: threads that decode
        for n in (100, 400):
            o = d/f'size-{engine}-{k}-{threads}-{n}'
            run('predict', m, cells(d, n), '-o', o, '--engine', engine, '--workers', w, threads=threads)
            t[n] = json.loads((o/'manifest.json').read_text())['seconds']
        out.append(dict(engine=engine, workers=k, threads=threads, seconds={str(n): s for n, s in t.items()}, photos_per_second=round(300/(t[400] - t[100]), 2)))
    return out

def main():
    a = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    a.add_argument('-o', '--out', type=Path, required=True)
    a.add_argument('--parts', nargs='+', default=['many', 'vgg16', 'ray', 'sizing'], choices=['many', 'vgg16', 'ray', 'sizing'])
    a = a.parse_args()
    with tempfile.TemporaryDirectory() as d:
        for part in a.parts:
            new = globals()[part](Path(d))
            print(part, json.dumps(new), flush=True)
            old = json.loads(a.out.read_text()) if a.out.exists() else {}
            with new_file(a.out) as f: f.write_text(json.dumps(old | {part: new, 'machine': dict(cores=os.cpu_count(), system=platform.system(), versions={p: version(p) for p in ('torch', 'pyarrow', 'ray')})}, indent=1) + '\n')

if __name__ == '__main__': main()
