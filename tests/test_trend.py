"The scores of a run are told to drift when they do, and seldom when they don't."
import numpy as np, pytest
from defect_nbdev.batch.trend import Trend

def told(scores, held_out):
    "Number of photos until a drift is told; 0: never."
    p = lambda x: (1/(1 + np.exp(3 - x))).tolist()
    trend = Trend(dict(validation=dict(label=['good']*len(held_out), p=p(held_out))))
    for i, o in enumerate(p(scores)):
        if trend.add(dict(path=f'{i}.png', p_anomaly=o, unlike='', error='')): return i + 1
    return 0

@pytest.mark.parametrize('held_out,offset', [(20, .51), (64, 0), (64, .51), (64, .7), (200, .51)])
def test_normal_photos_are_quiet(held_out, offset):
    "The final model's scores of normal photos lie a bit lower than the held-out ones."
    rng = np.random.default_rng(1)
    many = [bool(told(rng.normal(size=n) - offset, rng.normal(size=held_out))) for n in [250]*40 + [5000]*8]
    assert sum(many) <= 1, many

@pytest.mark.parametrize('held_out,offset,drift', [(64, 0, 1.5), (64, .51, 1.5), (20, .51, 1.5), (200, .51, -1.5), (64, .51, 2.5)])
def test_a_drift_is_told(held_out, offset, drift):
    rng = np.random.default_rng(2)
    for _ in range(20):
        scores = rng.normal(size=900) - offset
        scores[300:] += drift
        assert 300 < told(scores, rng.normal(size=held_out)) < 500
