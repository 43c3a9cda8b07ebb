"""One training and inspection by a model of anomalib, as a JSON file asks for it.

    .venv-rivals/bin/python benchmarks/rivals/anomalib_job.py JOB.json

It runs in an environment of its own (`make rivals`) and imports nothing of defect_nbdev. `nbs/study/11_rival_jobs.ipynb` writes the job and reads the answer.
The torch models are anomalib's, and they are fed as its Lightning modules feed them. No network is needed: timm's network gets the weights that this
repository ships. What differs from anomalib's defaults stands in SETTINGS, so that the answer can say so.
"""
import json, os, resource, sys, time
os.environ.update(TQDM_DISABLE='1', HF_HUB_OFFLINE='1')      # no bars in the log; nothing is fetched
from importlib.metadata import version
from pathlib import Path
import numpy as np, timm, torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torchvision.transforms.v2 import Compose, Normalize, Resize

BACKBONE = 'tf_efficientnet_lite0'
MEAN, STD = 127/255, 128/255      # What these weights were trained with; anomalib subtracts ImageNet's mean, whatever the backbone is
SAMPLE = 20_000                   # Patches that PatchCore's coreset is chosen from, drawn at random; anomalib: all of them
EPOCHS = 100                      # Of STFPM, as in anomalib's configuration of it
SETTINGS = {
    'patchcore': f'blocks.2 and blocks.4; a coreset of 10 % of {SAMPLE:,} random patches, not of all',
    'padim': 'blocks.1, blocks.2 and blocks.4; 100 of their 176 channels, as for ResNet-18',
    'dfm': 'blocks.4',
    'stfpm': f'blocks.1, blocks.2 and blocks.4; {EPOCHS} epochs, batches of 32 photos'}

# Weights -------------------------------------------------------------------------------------------------------------

def places():
    "Name in timm of each block, in order."
    return [f'blocks.{s}.{j}' for s, n in enumerate([1, 2, 2, 3, 3, 4, 1]) for j in range(n)]

def renamed(name):
    "Convolution and batch normalisation in timm of a convolution in the shipped file, such as '5.depthwise'."
    layer, part = name.split('.')
    if layer == '0': return 'conv_stem', 'bn1'
    at = places()[int(layer) - 1]
    first = dict(depthwise=('conv_dw', 'bn1'), project=('conv_pw', 'bn2'))                       # it does not expand
    other = dict(expand=('conv_pw', 'bn1'), depthwise=('conv_dw', 'bn2'), project=('conv_pwl', 'bn3'))
    conv, bn = (first if layer == '1' else other)[part]
    return f'{at}.{conv}', f'{at}.{bn}'

@torch.no_grad()
def load_lite0(net, file):
    "Fill a timm network, or the first part of one. The shipped convolutions hold their batch normalisation, so timm's is left to add the bias."
    tensors, modules, filled = load_file(file), dict(net.named_modules()), set()
    for name in sorted({k.rpartition('.')[0] for k in tensors}):
        conv, bn = renamed(name)
        if conv not in modules: continue                                                         # cut off
        modules[conv].weight.copy_(tensors[f'{name}.weight'].float())
        modules[bn].bias.copy_(tensors[f'{name}.bias'].float())
        modules[bn].weight.fill_(1)
        modules[bn].running_mean.zero_()
        modules[bn].running_var.fill_(1 - modules[bn].eps)
        filled |= {conv, bn}
    own = {n for n, m in modules.items() if list(m.parameters(recurse=False))}
    if own != filled: sys.exit(f'{file} does not fill {sorted(own - filled)[:3]} of {BACKBONE}.')
    return net

def use_shipped_weights(file):
    "Where a pretrained network is asked for, timm gives one with the shipped weights, without a network connection."
    real = timm.create_model
    def create(name, *args, pretrained=False, **kwargs):
        net = real(name, *args, pretrained=False, **kwargs)
        return load_lite0(net, file) if pretrained else net
    timm.create_model = create

# Models --------------------------------------------------------------------------------------------------------------

def patchcore():
    from anomalib.models.image.patchcore.torch_model import PatchcoreModel
    model = PatchcoreModel(['blocks.2', 'blocks.4'], BACKBONE)
    def fit():
        rows = torch.vstack(model.embedding_store)
        model.embedding_store = [rows[torch.randperm(len(rows))[:SAMPLE]]]
        model.subsample_embedding(.1)
    return model, one_pass(model, fit)

def padim():
    from anomalib.models.image.padim.torch_model import PadimModel
    model = PadimModel(BACKBONE, ['blocks.1', 'blocks.2', 'blocks.4'], n_features=100)
    return model, one_pass(model, model.fit)

def dfm():
    from anomalib.models.image.dfm.torch_model import DFMModel
    model = DFMModel(BACKBONE, 'blocks.4')
    return model, one_pass(model, model.fit)

def one_pass(model, fit):
    "Training without gradients: the photos once through the network, then the model's own fit."
    def train(photos):
        model.train()
        with torch.no_grad():
            for x in photos(32): model(x)
            fit()
    return train

def stfpm():
    from anomalib.models.image.stfpm.loss import STFPMLoss
    from anomalib.models.image.stfpm.torch_model import STFPMModel
    model, loss = STFPMModel(['blocks.1', 'blocks.2', 'blocks.4'], BACKBONE), STFPMLoss()
    def train(photos):
        best = torch.optim.SGD(model.student_model.parameters(), lr=.4, momentum=.9, weight_decay=.001)
        model.train()
        x = torch.cat(list(photos(32)))
        for _ in range(EPOCHS):
            for i in torch.randperm(len(x)).split(32):
                best.zero_grad()
                loss(*model(x[i])).backward()
                best.step()
    return model, train

MODELS = dict(patchcore=patchcore, padim=padim, dfm=dfm, stfpm=stfpm)

# The job -------------------------------------------------------------------------------------------------------------

def reader(size, device):
    "Function from a path to a photo [3, size, size] on the device, resized as anomalib does it."
    see = Compose([Resize((size, size), antialias=True), Normalize([MEAN]*3, [STD]*3)])
    def read(path):
        pixels = np.array(Image.open(path).convert('RGB'), np.float32)
        return see(torch.from_numpy(pixels.transpose(2, 0, 1)/255)).to(device)
    return read

def disk_mb(model, folder):
    "Size of all that the fitted model holds, as a file."
    file = Path(folder)/'size.safetensors'
    save_file({k: v.contiguous().clone() for k, v in model.state_dict().items() if v.numel()}, file)
    n = file.stat().st_size/1e6
    file.unlink()
    return n

def peak_mb():
    "Largest memory of this process."
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss*(1 if sys.platform == 'darwin' else 1024)/1e6

@torch.no_grad()
def inspect(model, read, paths):
    "Scores, maps, and photos a second, one photo after another from its file on."
    model.eval()
    model(read(paths[0])[None])                                                                  # the first is slower
    scores, maps, start = [], [], time.perf_counter()
    for p in paths:
        out = model(read(p)[None])
        scores.append(float(out.pred_score.flatten()[0]))
        maps.append(out.anomaly_map.reshape(out.anomaly_map.shape[-2:]).cpu().numpy())
    return np.array(scores, np.float32), np.stack(maps).astype(np.float32), len(paths)/(time.perf_counter() - start)

def run(job):
    "Train on the good photos of the job, inspect its test photos; dict of arrays."
    torch.manual_seed(job['seed'])
    read = reader(job['size'], job['device'])
    good = [r['path'] for r in job['photos'] if r['split'] != 'test' and r['label'] == 'good']
    test = [r['path'] for r in job['photos'] if r['split'] == 'test']
    def photos(n):
        for i in range(0, len(good), n): yield torch.stack([read(p) for p in good[i:i+n]])
    model, train = MODELS[job['model']]()
    model.to(job['device'])
    start = time.perf_counter()
    train(photos)
    seconds = time.perf_counter() - start
    scores, maps, rate = inspect(model, read, test)
    costs = dict(train_seconds=seconds, photos_per_second=rate, peak_mb=peak_mb(), disk_mb=disk_mb(model, Path(job['out']).parent))
    about = dict(anomalib=version('anomalib'), timm=timm.__version__, torch=torch.__version__, settings=SETTINGS[job['model']])
    return dict(scores=scores, maps=maps, about=np.array(json.dumps(dict(costs=costs, about=about))))

@torch.no_grad()
def features(job):
    "blocks.2 and blocks.4 of timm's network with the shipped weights, for images [n, 3, h, w] in 0..1."
    x = torch.from_numpy(np.load(job['images']))
    net = timm.create_model(BACKBONE, pretrained=True, features_only=True, out_indices=(2, 3)).eval()
    return {f'layer{i}': z.numpy() for i, z in enumerate(net((x - MEAN)/STD))}

def pimo(job):
    "AUPIMO of each anomalous photo as anomalib computes it; maps [n, h, w] and masks [n, h, w] come in a file."
    from anomalib.metrics.pimo.pimo import _AUPIMO
    arrays = np.load(job['maps'])
    metric = _AUPIMO(return_average=False, force=True)
    metric.update(torch.from_numpy(arrays['maps']), torch.from_numpy(arrays['masks']))
    return dict(aupimos=metric.compute()[1].aupimos.numpy())

def main(file):
    job = json.loads(Path(file).read_text())
    use_shipped_weights(job['weights'])
    answer = dict(features=features, aupimo=pimo).get(job['model'], run)(job)
    part = f"{job['out']}.part.npz"
    np.savez(part, **answer)
    os.replace(part, job['out'])                                                                 # whole, or not there

if __name__ == '__main__': main(*sys.argv[1:])
