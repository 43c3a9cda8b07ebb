"The report in a real browser: it moves, it fetches nothing, it fits a narrow window, keys are enough."
import re
import pytest

sync_api = pytest.importorskip('playwright.sync_api')
@pytest.fixture(scope='module')
def reports(defect, run, washer, tmp_path_factory):
    "A page about labelled photos, and one about photos without labels."
    out = tmp_path_factory.mktemp('reports')
    r = defect('report', run, washer, '-o', out/'labelled.html')
    assert r.returncode == 0, r.stderr
    r = defect('report', run, washer/'test'/'scratch', '-o', out/'plain.html')
    assert r.returncode == 0, r.stderr
    return out

@pytest.fixture
def visit(browser, reports):
    "Open a page; whatever it says on the console or fetches is kept."
    pages = []
    def open_page(name, **kwargs):
        page = browser.new_page(**kwargs)
        page.said, page.fetched = [], []
        page.on('console', lambda m: page.said.append(m.text))
        page.on('pageerror', lambda e: page.said.append(str(e)))
        page.on('request', lambda r: page.fetched.append(r.url))
        page.goto((reports/name).as_uri())
        pages.append(page)
        return page
    yield open_page
    for p in pages: p.close()

def numbers(page): return page.locator('#sum').inner_text()

def quiet(page):
    assert page.said == [], page.said
    outside = [u for u in page.fetched if not u.startswith(('file:', 'data:'))]
    assert outside == [] and sum(u.startswith('file:') for u in page.fetched) == 1, page.fetched

def test_slider_changes_the_table(visit):
    page = visit('labelled.html')
    before = numbers(page)
    assert 'escape' in before and 'overkill' in before
    page.locator('#hi').focus()
    page.keyboard.press('Home')
    assert re.search(r'PASS\s+0 \(0\.0 %\)', numbers(page)) and '100.0 %' in numbers(page), numbers(page)       # everything fails
    page.keyboard.press('End')
    assert re.search(r'FAIL\s+0 \(0\.0 %\)', numbers(page)), numbers(page)      # nothing does
    page.locator('#one').uncheck()
    page.locator('#lo').focus()
    page.keyboard.press('Home')
    page.get_by_text('For review (8)').wait_for()
    assert '8 (100.0 %)' in numbers(page)                                                                       # everything is for a person
    page.locator('#back').click()
    assert numbers(page) == before
    quiet(page)

def test_intervals_are_those_of_the_program(visit):
    from defect_nbdev.metrics.verdicts import wilson
    page = visit('labelled.html')
    found = re.findall(r'(\d+) of (\d+) [^:]*: [\d.]+ %, 95 % interval ([\d.]+) % to ([\d.]+) %', numbers(page))
    assert len(found) == 2, numbers(page)                                                                       # escape and overkill
    for k, n, a, b in found: assert [float(a)/100, float(b)/100] == pytest.approx(wilson(int(k), int(n))[1:], abs=6e-4)

def test_galleries_load_and_enlarge(visit):
    page = visit('labelled.html')
    page.locator('#gal img').first.wait_for()
    for i in page.locator('#gal img').all():
        i.scroll_into_view_if_needed()
        assert i.evaluate('i => i.decode().then(() => i.naturalWidth)') > 50
    assert page.locator('#gal button').count() == 8
    page.locator('#gal button').first.focus()
    page.keyboard.press('Enter')
    assert page.locator('#dlg').is_visible()
    page.keyboard.press('ArrowRight')
    page.keyboard.press('ArrowLeft')
    page.keyboard.press('Escape')
    assert not page.locator('#dlg').is_visible()
    assert all(i.get_attribute('alt') for i in page.locator('img').all())
    quiet(page)

def test_types_and_place(visit):
    page = visit('labelled.html')
    text = page.locator('body').inner_text()
    assert 'AUPRO' in text and 'Calibration' in text and 'Training' in text and 'fingerprint' in text
    rows = [r.inner_text().split('\t')[0] for r in page.locator('#typ tr').all()]
    assert rows[:2] == ['type', 'good'] and len(rows) > 2

@pytest.mark.parametrize('name', ['labelled.html', 'plain.html'])
@pytest.mark.parametrize('width', [360, 800, 1600])
def test_fits_the_window(visit, name, width):
    page = visit(name, viewport=dict(width=width, height=800))
    assert page.evaluate('document.documentElement.scrollWidth') <= width
    quiet(page)

def test_dark_and_print(visit):
    page = visit('labelled.html', color_scheme='dark')
    back = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert max(map(int, re.findall(r'\d+', back)[:3])) < 60
    page.emulate_media(media='print')
    assert not page.locator('.bar').is_visible()

def test_without_labels(visit):
    page = visit('plain.html')
    page.locator('#gal button').first.wait_for()
    text = page.locator('body').inner_text()
    assert 'escape' not in numbers(page) and 'Types of defects' not in text and page.locator('#gal button').count() > 0
    quiet(page)

def test_embedding_shows_its_photos(browser, washer, tmp_path):
    import numpy as np
    from defect_nbdev.report.embedding import embedding_html
    from defect_nbdev.data.samples import samples
    t = samples(washer).assign(split='train')
    angle = np.linspace(0, 6, len(t))
    (tmp_path/'e.html').write_text(embedding_html(np.stack([np.cos(angle), np.sin(angle)], 1), t))
    page = browser.new_page(viewport=dict(width=700, height=520))
    page.goto((tmp_path/'e.html').as_uri())
    marks, photos = page.locator('svg.emb g'), page.locator('svg.emb image')
    assert marks.count() == len(t) and not any(photos.nth(i).is_visible() for i in range(len(t)))
    marks.nth(3).locator('.m').hover()
    assert photos.nth(3).is_visible() and page.locator('svg.emb text').nth(3).text_content() == f'{t.defect.iloc[3]}, train'
    page.mouse.move(1, 1)
    assert not photos.nth(3).is_visible()
    marks.nth(5).locator('.m').click()
    page.mouse.move(1, 1)
    assert photos.nth(5).is_visible()      # a click keeps it
    page.close()

def zoom(page): return float(page.evaluate("+document.querySelector('.viewer .stage').style.getPropertyValue('--k')"))

def test_look_into_a_part(visit):
    "Wheel, double click and keys zoom; a box tells its score when it is pointed at or gets the focus."
    page = visit('labelled.html')
    page.locator('#gal button', has_text='FAIL').first.click()
    page.wait_for_timeout(200)
    middle = page.locator('.viewer').bounding_box()
    x, y = middle['x'] + middle['width']/2, middle['y'] + middle['height']/2
    page.mouse.move(x, y)
    page.mouse.wheel(0, -400)
    page.wait_for_timeout(100)
    assert zoom(page) > 1.5
    page.keyboard.press('0')
    assert zoom(page) == 1
    page.mouse.dblclick(x, y)
    assert zoom(page) == 3
    page.keyboard.press('-')
    assert 1 < zoom(page) < 3
    page.keyboard.press('0')
    box = page.locator('.viewer g').first
    box.focus()
    assert re.fullmatch(r'box 1: 0\.\d\d', page.inner_text('.viewer .score'))
    page.locator('.viewer').focus()
    assert not page.locator('.viewer .score').is_visible()
    box.locator('rect').last.hover(force=True)
    assert page.locator('.viewer .score').is_visible()
    quiet(page)

def test_no_word_covers_a_line(visit):
    "Words of the curve stand outside its frame."
    page = visit('labelled.html')
    top, bottom = [page.evaluate(f"document.querySelector('#at').getBoundingClientRect().{e}") for e in ('top', 'bottom')]
    words = page.evaluate("[...document.querySelectorAll('#svg text')].filter(t => t.textContent).map(t => { const b = t.getBoundingClientRect(); return [t.textContent, b.left, b.top, b.bottom] })")
    left = page.evaluate("document.querySelector('#at').ownerSVGElement.getBoundingClientRect().left")
    scale = page.evaluate("document.querySelector('#svg').getBoundingClientRect().width")/420
    for text, x, t, b in words: assert b <= top + 1 or t >= bottom - 1 or text.endswith('%') and x < left + 40*scale, text
