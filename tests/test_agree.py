"A study of agreement: figures against published ones, the blind order, a killed program, the page in a real browser, refused input."
import json, re, shutil, subprocess, sys, urllib.error, urllib.request
from pathlib import Path
import numpy as np, pandas as pd, pytest
from conftest import quiet_port, refused
from defect_nbdev.core.files import sha256
from defect_nbdev.data.appraisals import FILE, add_judgement, blind_turns, new_study, progress, read_judgements, read_plan
from defect_nbdev.data.samples import samples
from defect_nbdev.metrics.agreement import agreement, exact
from defect_nbdev.metrics.kappa import cohen_interval, cohen_kappa, fleiss_interval, fleiss_kappa
sync_api = pytest.importorskip('playwright.sync_api')
pytest.importorskip('starlette')
from defect_nbdev.app.agree import Judging
from defect_nbdev.app.agree_page import judged_page

OTHER = dict(good='anomaly', anomaly='good')

@pytest.fixture
def study(washer, tmp_path):
    "Two appraisers, three good parts and three anomalies, two repeats without a break."
    t = samples(washer)
    t = pd.concat([t[t.label == c][:3] for c in ('good', 'anomaly')])
    parts = pd.DataFrame(dict(part=range(1, 7), path=t.path.values, sha256=[sha256(p) for p in t.path], truth=t.label.values, p_anomaly=None, borderline=False))
    folder = tmp_path/'study'
    folder.mkdir()
    new_study(folder/FILE, dict(id='abc', source=str(washer), planned='2026-01-01T00:00:00+00:00', repeats=2, pause=0, seed=3), parts, parts[['part', 'path', 'sha256']][:0], blind_turns(parts.part, ['ann', 'bob'], 2, 3))
    return folder

@pytest.fixture
def tab(new_tab): return lambda url, **kw: new_tab(url, '#break:visible, #good:not([disabled])', **kw)

def ready(p): p.wait_for_selector('#good:not([disabled])', timeout=30_000)
def until(p, at, word): p.wait_for_function('([a, w]) => document.querySelector(a)?.innerText.includes(w)', arg=[at, word], timeout=30_000)
def press(p, key, count):
    ready(p)
    p.keyboard.press(key)
    until(p, '#count', f'{count} of 6')

# ---- figures

def test_published_examples():
    "Cohen 1960, Fleiss 1971, SAS; and the counts of the AIAG's example."
    assert round(float(cohen_kappa([[88, 14, 18], [10, 40, 10], [2, 6, 12]])), 2) == .49
    fleiss = [[int(c) for c in r] for r in '00060 03003 01401 00006 03030 20400 00402 20310 20040 00006 10050 11040 03300 10050 02031 00501 30012 51000 02040 10203 00006 01050 02013 20040 10041 05010 40002 02040 10500 00006'.split()]
    assert round(float(fleiss_kappa(fleiss)), 3) == .430 and fleiss_interval(fleiss)[0] == float(fleiss_kappa(fleiss))
    assert float(cohen_kappa([[0, 4, 1], [0, 8, 0], [0, 1, 5]])) == pytest.approx(.4842, abs=5e-5)
    assert round(float(cohen_kappa([[97, 3], [6, 44]])), 2) == .86
    assert exact(42, 50)[1:] == pytest.approx((.71, .93), abs=.003) and exact(3, 48)[0] == pytest.approx(.0625)

def test_kappa_against_other_programs():
    skm = pytest.importorskip('sklearn.metrics')
    rng = np.random.default_rng(0)
    for k in (2, 3, 5):
        a, b = rng.integers(0, k, (2, 80))
        b = np.where(rng.random(80) < .6, a, b)
        tables = np.einsum('ni,nj->nij', np.eye(k)[a], np.eye(k)[b])
        found, low, high = cohen_interval(tables)
        assert found == pytest.approx(skm.cohen_kappa_score(a, b)) and low < found < high
        try: from statsmodels.stats.inter_rater import fleiss_kappa as theirs
        except ImportError: continue
        counts = rng.multinomial(6, np.full(k, 1/k), 40)
        assert fleiss_kappa(counts) == pytest.approx(theirs(counts))

def test_rates_of_a_known_study(study):
    "Ann is always right; bob calls one anomaly good in one repeat."
    plan = read_plan(study)
    truth = dict(zip(plan.parts.part, plan.parts.truth))
    bad = plan.parts.part[plan.parts.truth == 'anomaly'].iloc[0]
    for r in plan.turns.itertuples(): add_judgement(study, r.appraiser, r.turn, OTHER[truth[r.part]] if (r.appraiser, r.part, r.repeat) == ('bob', bad, 1) else truth[r.part])
    s = agreement(read_judgements(study))
    ann, bob = s['appraisers']['ann'], s['appraisers']['bob']
    assert (ann['effective']['k'], bob['effective']['k'], bob['consistent']['k']) == (6, 5, 5) and (bob['miss']['k'], bob['miss']['n'], bob['false_alarm']['k']) == (1, 6, 0)
    assert bob['miss']['interval'] == pytest.approx(exact(.5, 3)[1:]) and ann['miss']['interval'] == pytest.approx((0, 1 - .025**(1/3)))
    assert {(o['a'], o['b']) for o in s['pairs']} == {('ann', 'bob'), ('ann', 'reference'), ('bob', 'reference')} and s['people']['right']['k'] == 5

# ---- the store

def test_blind_order():
    "Each appraiser and repeat has an order of its own, which the seed brings back; every part comes once in each."
    turns = blind_turns(range(1, 31), ['ann', 'bob', 'cleo'], 3, 5)
    orders = turns.groupby(['appraiser', 'repeat']).part.apply(tuple)
    assert len(set(orders)) == 9 and all(sorted(o) == list(range(1, 31)) for o in orders) and turns.equals(blind_turns(range(1, 31), ['ann', 'bob', 'cleo'], 3, 5))
    firsts = [blind_turns(range(10), ['a'], 1, s).part.iloc[0] for s in range(400)]
    assert np.bincount(firsts).min() > 15      # no part tends to come first

def test_two_clicks_at_once(study):
    "Two programs that send the same turn: one wins, the other is told."
    code = f"from defect_nbdev.data.appraisals import add_judgement\ntry: add_judgement({str(study)!r}, 'ann', 1, 'good')\nexcept Exception as e: print(e)"
    ps = [subprocess.Popen([sys.executable, '-c', code], stdout=subprocess.PIPE, text=True) for _ in range(4)]
    said = [p.communicate()[0] for p in ps]
    assert progress(study).judged.tolist() == [1, 0] and sum('Another part is due' in s for s in said) == 3

# ---- the page

def test_by_keys(study, tab):
    "A whole study by keys: nothing tells the file, the earlier answer or a model's opinion."
    view = Judging(study, 'ann')
    names = [Path(p).stem for p in view.plan.parts.path]
    with judged_page(view) as url:
        p = tab(url)
        until(p, '#title', 'ann, please judge 6 parts')
        p.keyboard.press('g')
        assert progress(study).judged[0] == 0      # nothing was begun
        p.keyboard.press('Enter')
        ready(p)
        assert p.inner_text('#count') == 'Pass 1 of 2: 0 of 6 judged' and p.is_disabled('#undo')
        press(p, 'g', 1)
        press(p, 'A', 2)
        press(p, 'u', 1)
        press(p, 'g', 2)
        for i in range(3, 6): press(p, 'a', i)
        html = p.content()
        assert not any(n + '.png' in html for n in names) and not re.search('anomaly_|verdict|PASS|FAIL', p.inner_text('body'))
        ready(p)
        p.keyboard.press('a')
        until(p, '#title', 'Pass 1 of 2 is done')
        p.keyboard.press('g')
        p.keyboard.press('u')
        assert progress(study).judged[0] == 6
        p.click('#begin')
        ready(p)
        assert 'Pass 2 of 2: 0 of 6' in p.inner_text('#count')
        for i in range(1, 6): press(p, 'g', i)
        ready(p)
        p.keyboard.press('g')
        until(p, '#title', 'Thank you.')
        p.reload()
        until(p, '#title', 'Thank you.')
        assert p.is_hidden('#begin')
        assert p.said == [] and all(u.startswith((url, 'data:')) for u in p.asked), (p.said, p.asked)
        seen = {u for u in p.asked if 'photo/' in u}
        assert seen == {f'{url}photo/{i}' for i in range(1, 13)}      # numbers of turns only
    assert read_judgements(study).said.tolist() == ['good', 'good', *['anomaly']*4, *['good']*6]

def test_fast_keys(study, tab):
    "Who types faster than photos load judges nothing unseen."
    with judged_page(Judging(study, 'ann')) as url:
        p = tab(url)
        p.route('**/photo/2', lambda r: (p.wait_for_timeout(400), r.continue_()))
        p.keyboard.press('Enter')
        ready(p)
        for _ in range(15): p.keyboard.press('a')
        p.wait_for_timeout(200)
        assert 1 <= progress(study).judged[0] < 6 and len(read_judgements(study)) == progress(study).judged[0]

def start(study, port, name='ann'):
    p = subprocess.Popen([sys.executable, '-c', 'from defect_nbdev.cli.program import main; import sys; sys.exit(main())', 'agree', 'judge', study, '--appraiser', name, '--port', str(port)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    line = p.stdout.readline()
    assert 'open http' in line, p.stderr.read()
    return p, re.search(r'http://\S+', line)[0]

def test_killed_program(study, tab):
    "A click on a dead program waits in the browser and arrives once; a page of somebody else on the same address doesn't get it."
    port = quiet_port()
    program, url = start(study, port)
    try:
        p = tab(url)
        p.keyboard.press('Enter')
        press(p, 'g', 1)
        program.kill()
        program.wait()
        ready(p)
        p.keyboard.press('a')
        until(p, '#message', 'is sent again')
        program, _ = start(study, port)
        until(p, '#count', '2 of 6')
        assert p.is_hidden('#message')
        p.reload()
        ready(p)
        until(p, '#count', '2 of 6')
        program.kill()
        program.wait()
        p.keyboard.press('g')
        until(p, '#message', 'is sent again')
        program, _ = start(study, port, 'bob')
        until(p, '#message', 'This page is for bob now')
        assert progress(study).judged.tolist() == [2, 0]
        program.terminate()
        _, err = program.communicate(timeout=30)
        assert 'every judgement is kept' in err and 'Traceback' not in err
    finally:
        program.kill()
        program.wait()
    assert read_judgements(study).said.tolist() == ['good', 'anomaly']

def test_break(study, tab):
    "The break is counted by the program, not by the page."
    judging = Judging(study, 'ann')
    judging.plan.settings['pause'] = 10      # minutes
    for i in range(1, 7): add_judgement(study, 'ann', i, 'good')
    with judged_page(judging) as url:
        p = tab(url)
        until(p, '#text', 'can begin in')
        assert p.is_hidden('#begin')
        with pytest.raises(urllib.error.HTTPError, match='422'): urllib.request.urlopen(url + 'photo/7', timeout=20)
        judging.plan.settings['pause'] = 0
        p.wait_for_selector('#begin:visible', timeout=30_000)
        p.keyboard.press('Enter')
        press(p, 'g', 1)

@pytest.mark.parametrize('scheme', ['light', 'dark'])
def test_narrow(study, tab, scheme):
    with judged_page(Judging(study, 'ann')) as url:
        p = tab(url, viewport=dict(width=360, height=740), color_scheme=scheme)
        p.click('#begin')
        ready(p)
        assert p.evaluate('document.documentElement.scrollWidth') <= 360
        for b in ('good', 'anomaly', 'undo', 'zoom'):
            box = p.locator(f'#{b}').bounding_box()
            assert box['y'] + box['height'] <= 740 and box['height'] >= 44, b
        p.click('#good')
        until(p, '#count', '1 of 6')
        seen = set()
        for _ in range(6):
            p.keyboard.press('Tab')
            seen.add(p.evaluate('document.activeElement.id'))
        assert {'good', 'anomaly', 'undo', 'zoom'} <= seen

# ---- from plan to report

def judge(study, wrong=()):
    plan = read_plan(study)
    truth = dict(zip(plan.parts.part, plan.parts.truth))
    for r in plan.turns.itertuples(): add_judgement(study, r.appraiser, r.turn, OTHER[truth[r.part]] if (r.appraiser, r.turn) in wrong else truth[r.part])

def test_whole_study(defect, run, washer, tmp_path, browser):
    from defect_nbdev.data.synth import synth_folder
    new = synth_folder(tmp_path/'new', 15, 9, size=128, seed=4)
    r = defect('agree', 'plan', new, '--appraisers', 'ann', 'bob', '--run', run, '-n', 12, '--pause', 0, '-o', tmp_path/'study')
    assert r.returncode == 0, r.stderr
    assert '12 (6 good, 6 anomaly; 4 borderline)' in r.stdout and 'takes 183 of them' in r.stdout
    refused(defect('agree', 'report', tmp_path/'study'), 'ann has judged 0 of 24', '--appraisers')
    judge(tmp_path/'study', {('bob', 3)})
    r = defect('agree', 'report', tmp_path/'study', '-o', tmp_path/'out')
    assert r.returncode == 0, r.stderr
    s = json.loads((tmp_path/'out/agreement.json').read_text())
    rates = pd.read_csv(tmp_path/'out/rates.csv')
    j = pd.read_csv(tmp_path/'out/judgements.csv')
    assert s['figures']['appraisers']['bob']['effective']['k'] == 11 and s['model']['same'] is True and len(j) == 24*2 + 12 and len(rates) == 2*6 + 4 + 6 + 1
    p = browser.new_page(viewport=dict(width=360, height=740))
    asked = []
    p.on('request', lambda q: asked.append(q.url))
    p.goto((tmp_path/'out/report.html').as_uri())
    text = p.inner_text('body')
    for word in 'effectiveness', 'false-alarm rate', 'What this study does not show', 'customary, no law', 'to the bit', 'No part had a second photo': assert word in text, word
    assert p.evaluate('document.documentElement.scrollWidth') <= 360 and sum(u.startswith('file:') for u in asked) == 1 and not any(u.startswith('http') for u in asked)
    p.close()
    assert str(tmp_path) not in (tmp_path/'out/report.html').read_text() + (tmp_path/'out/agreement.json').read_text()
    only = defect('agree', 'report', tmp_path/'study', '--appraisers', 'ann', '-o', tmp_path/'one')
    assert only.returncode == 0 and 'bob' not in only.stdout

def test_without_a_model(defect, washer, tmp_path):
    r = defect('agree', 'plan', washer, '--appraisers', 'ann', '-n', 6, '--repeats', 1, '-o', tmp_path/'study')
    assert r.returncode == 0 and 'No part was chosen as borderline' in r.stdout
    judge(tmp_path/'study')
    r = defect('agree', 'report', tmp_path/'study')
    assert r.returncode == 0 and 'ann and reference' in r.stdout, r.stderr
    assert 'The model' not in (tmp_path/'study/report.html').read_text() and json.loads((tmp_path/'study/agreement.json').read_text())['figures']['people'] is None

def test_refused(defect, study, washer, tmp_path, run):
    (tmp_path/'empty').mkdir()
    (tmp_path/'one/good').mkdir(parents=True)
    shutil.copy(samples(washer).path[0], tmp_path/'one/good')
    plan = lambda source, *more: defect('agree', 'plan', source, '--appraisers', 'ann', *more)
    refused(plan(tmp_path/'empty', '-o', tmp_path/'x'), 'empty')
    refused(plan(tmp_path/'one', '-o', tmp_path/'x'))
    refused(plan(washer, '-n', 1, '-o', tmp_path/'x'), 'needs a good part and an anomaly')
    refused(defect('agree', 'plan', washer, '-o', tmp_path/'x'), '--appraisers ann bob cleo')
    refused(plan(washer, '-o', study), 'judgements are kept')
    refused(defect('agree', 'plan', washer, '--appraisers', 'model', '-o', tmp_path/'x'), 'cannot be called model')
    refused(defect('agree', 'judge', study, '--appraiser', 'eve'), 'eve is no appraiser', 'ann, bob')
    refused(defect('agree', 'judge', study), '--appraiser NAME, one of ann, bob')
    refused(defect('agree', 'judge', tmp_path/'none', '--appraiser', 'ann'), 'plan a study first')
    refused(defect('agree', 'report', study), 'ann has judged 0 of 12')
    assert not (tmp_path/'x').exists() and not (study/'report.html').exists()
    (tmp_path/'torn').mkdir()
    (tmp_path/'torn'/FILE).write_bytes(b'torn'*500)
    refused(defect('agree', 'report', tmp_path/'torn'), 'is no study')

def test_changed_photo(defect, study, tmp_path):
    "A study on other photos than those of its plan is worth nothing."
    path = read_plan(study).parts.path[0]
    kept = Path(path).read_bytes()
    try:
        Path(path).write_bytes(kept + b' ')
        refused(defect('agree', 'judge', study, '--appraiser', 'ann'), 'was changed after the study was planned', Path(path).name)
    finally: Path(path).write_bytes(kept)

# ---- the model card

def test_model_card(defect, run, washer, tmp_path):
    from defect_nbdev.deploy.info import load_info
    card, info, m = (run/'model_card.md').read_text(), load_info(run), json.loads((run/'metrics.json').read_text())
    assert info['weights_sha256'] in card and info['data']['fingerprint'] in card and f"({m['fn']} of {m['n_anomaly']})" in card and str(washer) not in card
    copy = shutil.copytree(run, tmp_path/'run')
    assert defect('threshold', copy, '--fail-at', '.9').returncode == 0
    new = (copy/'model_card.md').read_text()
    assert 'thresholds were changed since' in new and '0.9' in new and 'changed since' not in card
