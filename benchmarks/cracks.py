"""Train on photos of cracks and compare maps. `make cracks DATA=folder` calls it; what is stored is not done again.

    .venv/bin/python benchmarks/cracks.py photos                                  photos/Positive and photos/Negative: train, then 20 photos with all maps
    .venv/bin/python benchmarks/cracks.py photos --backbone resnet50              with torchvision's ResNet50, after defect weights add
    .venv/bin/python benchmarks/cracks.py photos --group '(\\d+)_'                 groups by the name, where it tells them
    .venv/bin/python benchmarks/cracks.py drawn_40000 --draw 40000 --stages train --backbone efficientnet-lite0 --size 64
"""
import argparse
import json
import sys
from pathlib import Path
from defect_nbdev.core.errors import UserError
from defect_nbdev.data.drawn_cracks import draw_cracks
from defect_nbdev.deploy.info import BUNDLE
from defect_nbdev.study.crack_maps import EVALS, PATCH_PHOTOS, compare_maps
from defect_nbdev.study.cracks import BLOCKS, PHOTOS, train_cracks

ROOT = Path(__file__).resolve().parents[1]
STAGES = 'train', 'maps'

def say(line): print(line, flush=True)

def options():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('folder', type=Path, help='holds Positive and Negative')
    p.add_argument('--name', help="of the results; without it the folder's")
    p.add_argument('--stages', nargs='+', default=STAGES, choices=STAGES)
    p.add_argument('--draw', type=int, metavar='N', help='draw N photos of walls into the folder if it is not there')
    p.add_argument('--draw-size', type=int, default=64, help='their side, px')
    p.add_argument('--group', help='regular expression for the name; without it neighbouring numbers stay together')
    p.add_argument('--blocks', type=int, default=BLOCKS, help='of neighbouring numbers; 0: each photo is alone')
    p.add_argument('--backbone', default='vgg16')
    p.add_argument('--size', type=int, default=150, help='side of the input, px')
    p.add_argument('--epochs', type=int, default=3)
    p.add_argument('--seed', type=int, default=0)
    p.add_argument('--photos', type=int, default=20, help='whose maps are compared')
    p.add_argument('--evals', type=int, default=EVALS, help='passes for each SHAP map')
    p.add_argument('--patch-photos', type=int, default=PATCH_PHOTOS, help='that the patch model learns from, at most')
    p.add_argument('--patch-size', type=int, help="side of the patch model's input, px; without it chosen from the photos")
    p.add_argument('--runs', type=Path, default=ROOT/'runs/cracks', help='models, judged photos and heat')
    p.add_argument('--results', type=Path, default=ROOT/'nbs/case_studies/results', help='figures')
    return p.parse_args()

def train(o, run, out):
    "Train unless the run and its result are there."
    if out.exists() and (run/PHOTOS).exists() and (run/BUNDLE).exists():
        return say(f"{out.name} is stored ({json.loads(out.read_text())['network']}): delete it to train again")
    settings = dict(backbone=o.backbone, size=o.size, epochs=o.epochs)
    r = train_cracks(o.folder, run, out, o.group, o.blocks, o.seed, say, **settings)
    say(f"{r['photos']} photos, {r['network']}: {sum(r['seconds'].values()):.0f} s, at most {r['peak_mb']:.0f} MB")

def main():
    o = options()
    name = o.name or o.folder.resolve().name
    run, results = o.runs/name, o.results
    try:
        if o.draw and not o.folder.exists(): draw_cracks(o.folder, o.draw, o.draw_size)
        if 'train' in o.stages: train(o, run, results/f'cracks_train_{name}.json')
        if 'maps' in o.stages:
            compare_maps(run, results/f'cracks_maps_{name}.csv', o.photos, o.evals, o.patch_photos, say, size=o.patch_size)
    except UserError as e: sys.exit(str(e))

if __name__ == '__main__': main()
