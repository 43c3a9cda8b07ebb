"""Fill the table of rivals, and the file of their costs. `make rivals MVTEC=folder` calls it; what is stored is not measured again.

    .venv/bin/python benchmarks/rivals/run.py --mvtec mvtec_ad                              checks, then all figures of all parts
    .venv/bin/python benchmarks/rivals/run.py --mvtec mvtec_ad --stages speed               costs alone, on a quiet machine
    .venv/bin/python benchmarks/rivals/run.py --mvtec mvtec_ad --parts grid --rivals PaDiM  some of them
"""
import argparse, json, sys
from pathlib import Path
from defect_nbdev.core.errors import UserError
from defect_nbdev.core.files import new_file, to_json
from defect_nbdev.data.samples import samples
from defect_nbdev.study.rival_jobs import NOT_RUN, PROTOCOLS, RIVALS, check_aupimo, check_features, tables
from defect_nbdev.study.rivals import measure, speed

ROOT = Path(__file__).resolve().parents[2]
ROWS, COSTS = ROOT/'nbs/case_studies/results/rivals.csv', ROOT/'benchmarks/rivals.json'
STAGES = 'check', 'measure', 'speed'

def say(s): print(s, flush=True)

def check():
    "Features and AUPIMO against anomalib's, into the file of costs."
    r = json.loads(COSTS.read_text()) if COSTS.exists() else {}
    r |= dict(checks=dict(features=check_features(), aupimo=check_aupimo()), not_run=NOT_RUN)
    with new_file(COSTS) as f: f.write_text(to_json(r))
    say(f"features agree to {max(r['checks']['features'].values()):.1e}, AUPIMO to {r['checks']['aupimo']['difference']:.1e}")

def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--mvtec', default='mvtec_ad', help='folder of the parts, each in the layout of MVTec AD')
    p.add_argument('--parts', nargs='+', default=['toothbrush', 'grid', 'pill'])
    p.add_argument('--protocols', nargs='+', default=PROTOCOLS, choices=PROTOCOLS)
    p.add_argument('--rivals', nargs='+', default=list(RIVALS), choices=list(RIVALS))
    p.add_argument('--seeds', nargs='+', type=int, default=[0])
    p.add_argument('--folds', nargs='+', type=int, help='numbers of folds, from 0 on; all without it')
    p.add_argument('--device', default='cpu', help="where anomalib's models run, such as cuda; costs are measured on the processor")
    p.add_argument('--stages', nargs='+', default=['check', 'measure'], choices=STAGES)
    o = p.parse_args()
    failed = []
    try:
        if 'check' in o.stages: check()
        if 'measure' in o.stages: failed = measure(o.mvtec, o.parts, o.protocols, o.rivals, o.seeds, o.folds, ROWS, say, device=o.device)
        if 'speed' in o.stages: speed(tables(samples(Path(o.mvtec)/o.parts[0]), 'folds')[0], o.parts[0], o.rivals, COSTS, say, wait=180)
    except UserError as e: failed.append(str(e))
    sys.exit('\n'.join(['not measured:', *failed]) if failed else 0)

if __name__ == '__main__': main()
