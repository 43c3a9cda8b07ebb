"""A few thousand mutated photos and models: does any crash the program, hang it, or write where it should not?

    python tests/fuzz.py RUN PHOTOS -n 5000 -o benchmarks/fuzz.json

RUN is a trained run (small ones are quick), PHOTOS a folder of its photos. Inputs are mutated in a process of their own, which is replaced when it dies or takes more than ten seconds for one."""
import argparse, collections, io, json, multiprocessing as mp, os, platform, random, shutil, tempfile, time
from importlib.metadata import version
from pathlib import Path

FORMATS = dict(png={}, jpeg={}, bmp={}, tiff={}, webp={}, gif={})
LIMIT = 10.                                                                # Seconds

def mutate(b, r):
    "Bytes with a few things wrong."
    b = bytearray(b)
    for _ in range(r.choice((1, 1, 2, 5, 20))):
        if not b: break
        i = r.randrange(len(b)) if r.random() < .5 else r.randrange(min(len(b), 200))      # headers more often
        how = r.randrange(7)
        if how == 0: b[i] ^= 1 << r.randrange(8)
        elif how == 1: b[i] = r.choice((0, 255, 127, 128))
        elif how == 2: del b[i:i + r.choice((1, 4, 1000))]
        elif how == 3: b[i:i] = bytes(r.randrange(256) for _ in range(r.choice((1, 4, 64))))
        elif how == 4: b[i:i+4] = r.choice((b'\xff\xff\xff\xff', b'\x00\x00\x00\x00', b'\x7f\xff\xff\xff', b'\x00\x01\x00\x00'))
        elif how == 5: del b[i:]
        else:
            j = r.randrange(len(b))
            b[i:i+16] = b[j:j+16]
    return bytes(b)

def photo(r, photos):
    from PIL import Image
    im = Image.open(r.choice(photos)).convert('RGB').resize((r.choice((1, 33, 64)), r.choice((1, 48, 64))))
    if r.random() < .3: im = im.convert(r.choice(('L', '1', 'P', 'CMYK', 'RGBA', 'I;16')) if r.random() < .9 else 'F')
    o = io.BytesIO()
    kind = r.choice(list(FORMATS))
    try: im.save(o, kind)
    except (OSError, ValueError):
        o = io.BytesIO()
        im.convert('RGB').save(o, 'png')
        kind = 'png'
    return mutate(o.getvalue(), r), '.' + kind.replace('gif', 'png')

def try_photo(r, photos, inspector, d):
    b, end = photo(r, photos)
    f = d/f'x{end}'
    f.write_bytes(b)
    v, = inspector.predict([f], progress=False)
    v.boxes
    return 'read' if not v.error else 'refused'

def values(r): return r.choice((None, -1, 0, 1e400, float('nan'), '', 'x'*1000, [], {}, [[]], '../../x', True, 2**70))

def scribble(o, r):
    "JSON with one value changed somewhere."
    at = o
    while True:
        k = r.choice(list(at) if isinstance(at, dict) else range(len(at)))
        if isinstance(at[k], (dict, list)) and at[k] and r.random() < .7:
            at = at[k]
            continue
        at[k] = values(r)
        return o

def try_bundle(r, run, image, d):
    from defect_nbdev.core.errors import UserError
    from defect_nbdev.deploy.inspector import Inspector
    b = d/'bundle'
    shutil.rmtree(b, ignore_errors=True)
    shutil.copytree(run/'bundle', b, ignore=shutil.ignore_patterns('exports'))
    f, how = (b/'model.json', r.randrange(3)) if r.random() < .7 else (b/'model.safetensors', 3)
    if how == 0: f.write_text(json.dumps(scribble(json.loads(f.read_text()), r)))
    else: f.write_bytes(mutate(f.read_bytes(), r))
    if how == 3 and r.random() < .8:                                       # with the right hash, so that the file itself is read
        import hashlib
        info = json.loads((b/'model.json').read_text())
        info['weights_sha256'] = hashlib.sha256(f.read_bytes()).hexdigest()
        (b/'model.json').write_text(json.dumps(info))
    try:
        v, = Inspector(b).predict([image], progress=False)
        v.boxes
        return 'read'
    except UserError: return 'refused'

def work(kind, seeds, run, photos, d, at, said):
    "In a process of its own: `at` tells which seed it is at and since when."
    import warnings
    warnings.simplefilter('ignore')
    import torch
    torch.set_num_threads(1)
    from defect_nbdev.deploy.inspector import Inspector
    inspector = Inspector(run) if kind == 'photo' else None
    os.chdir(d)
    for s in seeds:
        at[0], at[1] = s, time.time()
        r = random.Random(f'{kind}{s}')
        try: said.put((s, try_photo(r, photos, inspector, d) if kind == 'photo' else try_bundle(r, run, photos[0], d)))
        except Exception as e: said.put((s, f'crash: {type(e).__name__}: {str(e)[:200]}'))
    at[0] = -1

def fuzz(kind, n, run, photos, d):
    out, todo = {}, list(range(n))
    while todo:
        at, said = mp.Array('d', [todo[0], time.time() + 60], lock=False), mp.Queue()
        p = mp.Process(target=work, args=(kind, todo, run, photos, d, at, said))
        p.start()
        while p.is_alive() and time.time() - at[1] <= LIMIT:
            while not said.empty():
                s, what = said.get()
                out[s] = what
            time.sleep(.05)
        late = p.is_alive() and at[0] >= 0
        if late: p.kill()
        p.join()
        time.sleep(.2)
        while not said.empty():
            s, what = said.get()
            out[s] = what
        if at[0] >= 0: out[int(at[0])] = f'hang: more than {LIMIT:g} s' if late else f'crash: the process died ({p.exitcode})'
        todo = [s for s in todo if s not in out]
    return out

def main():
    a = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    a.add_argument('run', type=Path)
    a.add_argument('photos', type=Path)
    a.add_argument('-n', type=int, default=5000)
    a.add_argument('-o', '--out', type=Path)
    a = a.parse_args()
    from defect_nbdev.data.sources import Sources
    photos = [Path(p).resolve() for p in Sources(a.photos)]
    result = dict(n=a.n, versions={p: version(p) for p in ('pillow', 'torch', 'safetensors')}, python=platform.python_version())
    with tempfile.TemporaryDirectory() as outer:
        d = Path(outer)/'work'
        d.mkdir()
        for kind, n in (('photo', a.n*4//5), ('bundle', a.n - a.n*4//5)):
            start = time.time()
            out = fuzz(kind, n, a.run.resolve(), photos, d)
            count = collections.Counter(w.partition(':')[0] for w in out.values())
            result[kind] = dict(count, seconds=round(time.time() - start), bad={s: w for s, w in sorted(out.items()) if w.partition(':')[0] in ('crash', 'hang')})
            print(kind, result[kind], flush=True)
        result['files_outside'] = sorted(p.name for p in Path(outer).iterdir() if p != d)
    if a.out:
        a.out.parent.mkdir(exist_ok=True)
        a.out.write_text(json.dumps(result, indent=1) + '\n')

if __name__ == '__main__':
    mp.set_start_method('spawn')
    main()
