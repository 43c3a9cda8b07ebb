"""Train VGG16-GAP as the reference did, on those of its parts that are there, in five folds, with both heads and three seeds.
`make reference MVTEC=folder` calls it; a training that is stored is not repeated.

    .venv/bin/python benchmarks/reference.py --mvtec mvtec_ad                               all
    .venv/bin/python benchmarks/reference.py --mvtec mvtec_ad --parts pill --seeds 0        some of them
"""
import argparse, sys
from pathlib import Path
from defect_nbdev.core.errors import UserError
from defect_nbdev.study.reference import PLANS, PUBLISHED, reference

RESULTS = Path(__file__).resolve().parents[1]/'nbs/case_studies/results'

def say(s): print(s, flush=True)

def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--mvtec', required=True, help='folder of the parts, each in the layout of MVTec AD')
    p.add_argument('--parts', nargs='+', default=list(PUBLISHED))
    p.add_argument('--seeds', nargs='+', type=int, default=[0, 1, 2])
    p.add_argument('--no-slow-start', action='store_true', help='leave the trainings with a slow start out')
    o = p.parse_args()
    plans = [(pooling, warm) for pooling, warm in PLANS if not (warm and o.no_slow_start)]
    try: reference(o.mvtec, RESULTS, o.parts, say, seeds=o.seeds, plans=plans)
    except UserError as e: sys.exit(str(e))

if __name__ == '__main__': main()
