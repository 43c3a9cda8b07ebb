"Layouts that people really have: each is drawn, read, and compared with what it says. No image below the folder may vanish."
import json, os, re
from pathlib import Path
import numpy as np, pytest
from PIL import Image, ImageDraw
from defect_nbdev.core.errors import UserError
from defect_nbdev.data.contents import contents
from defect_nbdev.data.layouts import find_layout

rng = np.random.default_rng(0)

def photo(p):
    p.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(rng.integers(0, 255, (24, 32, 3), dtype=np.uint8)).save(p)

def mask(p, spot=True):
    p.parent.mkdir(parents=True, exist_ok=True)
    im = Image.new('L', (32, 24))
    if spot: ImageDraw.Draw(im).rectangle([3, 3, 8, 8], fill=255)
    im.save(p)

def points(p):
    "A TIFF of three floats for each pixel, as a 3-D camera writes it, beside the photo."
    from test_pixels import tiff
    d = p.parent.parent/'xyz'
    d.mkdir(exist_ok=True)
    (d/f'{p.stem}.tiff').write_bytes(tiff(rng.normal(size=(24, 32, 3)).astype(np.float32)))

def build(root, photos='', masks='', black='', depth=False, **files):
    "Photos of noise, masks with a spot, black masks, and text files (a name's __ is /, its last _ a dot)."
    for n in photos.split(): photo(root/n)
    for n in photos.split()*depth: points(root/n)
    for n in masks.split(): mask(root/n)
    for n in black.split(): mask(root/n, False)
    for n, text in files.items():
        p = root/'.'.join(n.replace('__', '/').rsplit('_', 1))
        p.parent.mkdir(parents=True, exist_ok=True)
        p.write_text(text if isinstance(text, str) else json.dumps(text), encoding='utf-8')
    return root

def look(root, source=None):
    "Dict photo -> (class or label and defect, mask, split, group, boxes), relative; and what is said."
    f = find_layout(source or root)
    rel = lambda p: p and Path(os.path.relpath(p, root)).as_posix()
    rows = {rel(r.path): r for r in f.rows.itertuples()}
    assert len(rows) == len(f.rows)
    return f, {n: r.cls or (r.label if r.label == r.defect else f'{r.label} {r.defect}') for n, r in rows.items()}, {n: rel(r.mask_path) for n, r in rows.items() if r.mask_path}, rows

BOX = '<bndbox><xmin>11</xmin><ymin>6</ymin><xmax>20</xmax><ymax>30</ymax></bndbox>'
VOC = '<annotation><filename>1.jpg</filename><size><width>32</width><height>24</height></size><object><name>dent</name>%s</object></annotation>' % BOX
COCO = lambda *names, found=(): dict(images=[dict(id=i, file_name=n, width=32, height=24) for i, n in enumerate(names)], categories=[dict(id=1, name='dent'), dict(id=2, name='good')], annotations=[dict(id=9, image_id=i, category_id=c, bbox=[10, 5, 10, 50]) for i, c in found])
CVAT = '<annotations><version>1.1</version><image id="0" name="1.jpg" width="32" height="24"><box label="dent" xtl="10" ytl="5" xbr="20" ybr="24"/></image><image id="1" name="2.jpg" width="32" height="24"></image></annotations>'
IAD = dict(meta=dict(prefix='toy/', normal_class='OK'), train=[dict(anomaly_class='OK', image_path='OK/S0001/a.jpg', mask_path=None)], test=[dict(anomaly_class='BX', image_path='NG/BX/S0002/b.jpg', mask_path='NG/BX/S0002/b.png')])

LABELME = lambda name, **kw: dict(dict(version='5', imagePath=name, imageWidth=32, imageHeight=24, shapes=[dict(label='dent', shape_type='circle', points=[[15, 12], [15, 17]])]), **kw)

# name: (what is drawn, words in the name, class or label of each photo, masks, split of each photo or None, words in passed)
LAYOUTS = {
 'folders': (dict(photos='OK/a.png OK/shift 1/b.png'.replace(' 1', '1') + ' Scratch/a.png c.png'), 'one folder for each class', {'OK/a.png': 'OK', 'OK/shift1/b.png': 'OK', 'Scratch/a.png': 'Scratch'}, {}, None, 'c.png'),
 'zero and one': (dict(photos='0/a.png 1/b.png'), 'one folder', {'0/a.png': '0', '1/b.png': '1'}, {}, None, ''),
 'letters with dots': (dict(photos='güt/ä.png schlecht/ö.png'), 'one folder', {'güt/ä.png': 'güt', 'schlecht/ö.png': 'schlecht'}, {}, None, ''),
 'a zip in its own folder': (dict(photos='parts/parts/good/a.png parts/parts/dent/b.png'), 'one folder', {'parts/parts/good/a.png': 'good', 'parts/parts/dent/b.png': 'dent'}, {}, None, ''),
 'days outside': (dict(photos='2026-01-01/good/a.png 2026-01-01/bad/b.png 2026-01-02/good/a.png'), 'one folder', {'2026-01-01/good/a.png': 'good', '2026-01-01/bad/b.png': 'bad', '2026-01-02/good/a.png': 'good'}, {}, None, ''),
 'masks beside': (dict(photos='good/a.png good/gas_mask_01.png dent/b.png dent/c.jpg', masks='dent/b_mask.png dent/c.png'), 'one folder', {'good/a.png': 'good', 'good/gas_mask_01.png': 'good', 'dent/b.png': 'dent', 'dent/c.jpg': 'dent'}, {'dent/b.png': 'dent/b_mask.png', 'dent/c.jpg': 'dent/c.png'}, None, ''),
 'folder of masks': (dict(photos='good/a.png dent/b.jpg', masks='Masks/b.png Masks/z.png'), 'one folder', {'good/a.png': 'good', 'dent/b.jpg': 'dent'}, {'dent/b.jpg': 'Masks/b.png'}, None, '1 mask'),
 'images and masks by class': (dict(photos='images/good/1.png images/dent/1.png', masks='masks/dent/1.png'), 'one folder', {'images/good/1.png': 'good', 'images/dent/1.png': 'dent'}, {'images/dent/1.png': 'masks/dent/1.png'}, None, ''),
 'defect of a label': (dict(photos='good/1.png label/1.png cap/1.png'), 'one folder', {'good/1.png': 'good', 'label/1.png': 'label', 'cap/1.png': 'cap'}, {}, None, ''),
 'masks of one name': (dict(photos='good/1.png dent/1.png', masks='masks/1.png'), 'one folder', {'good/1.png': 'good', 'dent/1.png': 'dent'}, {'dent/1.png': 'masks/1.png'}, None, ''),
 'several masks of a photo': (dict(photos='good/1.png dent/2.png', masks='dent/2_mask_1.png dent/2_mask_2.png'), 'one folder', {'good/1.png': 'good', 'dent/2.png': 'dent'}, {}, None, '2 masks of photos with several'),
 'labels that are masks': (dict(photos='good/1.png dent/2.png', masks='labels/2.png'), 'one folder', {'good/1.png': 'good', 'dent/2.png': 'dent'}, {'dent/2.png': 'labels/2.png'}, None, ''),
 'masks by content': (dict(photos='good/1.png dent/2.png', masks='bw/2.png'), 'one folder', {'good/1.png': 'good', 'dent/2.png': 'dent'}, {'dent/2.png': 'bw/2.png'}, None, ''),
 'binarised class': (dict(photos='good/1.png good/2.png bad/1.png bad/2.png', masks='ok_cam2_bw/1.png ok_cam2_bw/2.png scratch/1.png scratch/2.png'), 'one folder', {f'{k}/{i}.png': k for k in ('bad', 'good', 'ok_cam2_bw', 'scratch') for i in (1, 2)}, {}, None, ''),
 'good photos of one bit': (dict(photos='bad/1.png bad/2.png', masks='good/1.png good/2.png'), 'one folder', {f'{k}/{i}.png': k for k in ('bad', 'good') for i in (1, 2)}, {}, None, ''),
 'photos called like masks': (dict(photos='good/1.png good/1_gt.png bad/2.png bad/2_mask.png bad/truth_2.png'), 'one folder', {'good/1.png': 'good', 'good/1_gt.png': 'good', 'bad/2.png': 'bad', 'bad/2_mask.png': 'bad', 'bad/truth_2.png': 'bad'}, {}, None, ''),
 'ImageFolder': (dict(photos=' '.join(f'{s}/{c}/{s}{c}.png' for s in ('train', 'val', 'test') for c in ('ok', 'nok'))), 'the split is kept', {f'{s}/{c}/{s}{c}.png': c for s in ('train', 'val', 'test') for c in ('ok', 'nok')}, {}, ['test', 'test', 'train', 'train', 'valid', 'valid'], ''),
 'ImageFolder without test': (dict(photos='train/ok/1.png train/nok/2.png valid/ok/3.png valid/nok/4.png'), 'there is no test', {'train/ok/1.png': 'ok', 'train/nok/2.png': 'nok', 'valid/ok/3.png': 'ok', 'valid/nok/4.png': 'nok'}, {}, ['']*4, ''),
 'class outside, side inside': (dict(photos='good/train/1.png good/test/2.png bad/train/3.png bad/test/4.png'), 'the split is kept', {'good/train/1.png': 'good', 'good/test/2.png': 'good', 'bad/train/3.png': 'bad', 'bad/test/4.png': 'bad'}, {}, ['test', 'train', 'test', 'train'], ''),
 'MVTec AD': (dict(photos='train/good/000.png test/good/000.png test/dent/000.png test/spot/000.png', masks='ground_truth/dent/000_mask.png ground_truth/spot/000_mask.png'), 'MVTec AD', {'train/good/000.png': 'good', 'test/good/000.png': 'good', 'test/dent/000.png': 'dent', 'test/spot/000.png': 'spot'}, {f'test/{k}/000.png': f'ground_truth/{k}/000_mask.png' for k in ('dent', 'spot')}, ['']*4, ''),
 'BTAD': (dict(photos='train/ok/0000.bmp test/ok/0001.bmp test/ko/0000.bmp', masks='ground_truth/ko/0000.png'), 'BTAD', {'train/ok/0000.bmp': 'ok', 'test/ok/0001.bmp': 'ok', 'test/ko/0000.bmp': 'ko'}, {'test/ko/0000.bmp': 'ground_truth/ko/0000.png'}, ['']*3, ''),
 'MVTec LOCO': (dict(photos='train/good/000.png validation/good/000.png test/good/000.png test/logical_anomalies/000.png test/structural_anomalies/000.png', masks='ground_truth/logical_anomalies/000/000.png ground_truth/logical_anomalies/000/001.png ground_truth/structural_anomalies/000/000.png'), 'MVTec LOCO', {'train/good/000.png': 'good', 'validation/good/000.png': 'good', 'test/good/000.png': 'good', 'test/logical_anomalies/000.png': 'logical_anomalies', 'test/structural_anomalies/000.png': 'structural_anomalies'}, {f'test/{k}/000.png': f'ground_truth/{k}/000' for k in ('logical_anomalies', 'structural_anomalies')}, ['']*5, ''),
 'MVTec AD 2': (dict(photos='train/good/000_regular.png validation/good/001_regular.png test_public/good/000_regular.png test_public/bad/000_overexposed.png test_private/000_regular.png test_private_mixed/000_mixed.png', masks='test_public/ground_truth/bad/000_overexposed_mask.png'), 'MVTec AD 2', {'train/good/000_regular.png': 'good', 'validation/good/001_regular.png': 'good', 'test_public/good/000_regular.png': 'good', 'test_public/bad/000_overexposed.png': 'bad'}, {'test_public/bad/000_overexposed.png': 'test_public/ground_truth/bad/000_overexposed_mask.png'}, ['']*4, '2 photos without a label'),
 'MVTec 3D-AD': (dict(photos='train/good/rgb/000.png validation/good/rgb/000.png test/good/rgb/000.png test/hole/rgb/000.png test/hole/rgb/001.png test/cut/rgb/000.png', masks='test/hole/gt/000.png test/hole/gt/001.png test/cut/gt/000.png', black='test/good/gt/000.png', depth=True), 'MVTec 3D-AD', {'train/good/rgb/000.png': 'good', 'validation/good/rgb/000.png': 'good', 'test/good/rgb/000.png': 'good', 'test/hole/rgb/000.png': 'hole', 'test/hole/rgb/001.png': 'hole', 'test/cut/rgb/000.png': 'cut'}, {'test/good/rgb/000.png': 'test/good/gt/000.png', 'test/hole/rgb/000.png': 'test/hole/gt/000.png', 'test/hole/rgb/001.png': 'test/hole/gt/001.png', 'test/cut/rgb/000.png': 'test/cut/gt/000.png'}, ['']*6, '5 folders of 3-D points or depths beside rgb (xyz/'),
 'VisA': (dict(photos='Data/Images/Normal/0000.JPG Data/Images/Anomaly/000.JPG', masks='Data/Masks/Anomaly/000.png', image_anno_csv='image,label,mask\nx/Data/Images/Anomaly/000.JPG,"bent,melt",\n'), 'VisA', {'Data/Images/Normal/0000.JPG': 'good', 'Data/Images/Anomaly/000.JPG': 'anomaly bent,melt'}, {'Data/Images/Anomaly/000.JPG': 'Data/Masks/Anomaly/000.png'}, None, ''),
 'KolektorSDD': (dict(photos='kos01/Part0.jpg kos01/Part1.jpg kos02/Part0.jpg', masks='kos01/Part1_label.bmp', black='kos01/Part0_label.bmp kos02/Part0_label.bmp'), 'KolektorSDD', {'kos01/Part0.jpg': 'good', 'kos01/Part1.jpg': 'anomaly defect', 'kos02/Part0.jpg': 'good'}, {'kos01/Part1.jpg': 'kos01/Part1_label.bmp'}, None, ''),
 'KolektorSDD 2': (dict(photos='train/10000.png train/10001.png test/20000.png test/20001.png', masks='train/10001_GT.png test/20000_GT.png', black='train/10000_GT.png test/20001_GT.png'), 'a mask for each photo', {'train/10000.png': 'good', 'train/10001.png': 'anomaly defect', 'test/20000.png': 'anomaly defect', 'test/20001.png': 'good'}, {'train/10001.png': 'train/10001_GT.png', 'test/20000.png': 'test/20000_GT.png'}, ['test', 'test', 'train', 'train'], ''),
 'images and masks': (dict(photos='images/1.jpg images/2.jpg', masks='masks/1.png', black='masks/2.png'), 'a mask for each photo', {'images/1.jpg': 'anomaly defect', 'images/2.jpg': 'good'}, {'images/1.jpg': 'masks/1.png'}, None, ''),
 'Real-IAD': (dict(photos='OK/S0001/t_OK_C1.jpg NG/BX/S0002/t_BX_C1.jpg', masks='NG/BX/S0002/t_BX_C1.png'), 'Real-IAD', {'OK/S0001/t_OK_C1.jpg': 'good', 'NG/BX/S0002/t_BX_C1.jpg': 'anomaly BX'}, {'NG/BX/S0002/t_BX_C1.jpg': 'NG/BX/S0002/t_BX_C1.png'}, None, ''),
 'Kaggle': (dict(photos='images/a.jpg images/b.jpg images/c.jpg', labels_csv='image_id,class\na,ok\nb,crack\n'), "label = column 'class'", {'images/a.jpg': 'ok', 'images/b.jpg': 'crack'}, {}, None, 'images/c.jpg'),
 'Kaggle with masks': (dict(photos='images/a.jpg images/b.jpg', masks='masks/b.png', labels_csv='image,label\na.jpg,ok\nb.jpg,crack\n'), 'labels.csv', {'images/a.jpg': 'ok', 'images/b.jpg': 'crack'}, {'images/b.jpg': 'masks/b.png'}, None, ''),
 'Kaggle, photos to learn and to send in': (dict(photos='train_images/a.jpg train_images/b.jpg test_images/c.jpg', train_csv='ImageId,defective\na,0\nb,1\n', sample_submission_csv='ImageId,defective\nc,0\n'.replace('defective', 'score')), '1 means anomaly', {'train_images/a.jpg': 'good', 'train_images/b.jpg': 'anomaly'}, {}, None, 'test_images/c.jpg'),
 'magnetic tiles': (dict(photos='MT_Free/Imgs/exp1_num_1.jpg MT_Crack/Imgs/exp1_num_2.jpg', masks='MT_Crack/Imgs/exp1_num_2.png', black='MT_Free/Imgs/exp1_num_1.png'), 'one folder', {'MT_Free/Imgs/exp1_num_1.jpg': 'MT_Free', 'MT_Crack/Imgs/exp1_num_2.jpg': 'MT_Crack'}, {'MT_Free/Imgs/exp1_num_1.jpg': 'MT_Free/Imgs/exp1_num_1.png', 'MT_Crack/Imgs/exp1_num_2.jpg': 'MT_Crack/Imgs/exp1_num_2.png'}, None, ''),
 'AITEX': (dict(photos='Defect_images/0001_002_00.png NODefect_images/2311694-2040n7u/0000_000_01.png', masks='Mask_images/0001_002_00_mask.png'), 'one folder', {'Defect_images/0001_002_00.png': 'Defect_images', 'NODefect_images/2311694-2040n7u/0000_000_01.png': 'NODefect_images'}, {'Defect_images/0001_002_00.png': 'Mask_images/0001_002_00_mask.png'}, None, ''),
 'tables by side': (dict(photos='images/a.jpg images/b.jpg images/c.jpg images/d.jpg', train_csv='image,label\na.jpg,ok\nb.jpg,crack\n', test_csv='image,label\nc.jpg,ok\nd.jpg,crack\n'), 'the split is kept', {'images/a.jpg': 'ok', 'images/b.jpg': 'crack', 'images/c.jpg': 'ok', 'images/d.jpg': 'crack'}, {}, ['train', 'train', 'test', 'test'], ''),
 'COCO': (dict(photos='images/1.jpg images/2.jpg images/3.jpg', annotations__instances_default_json=COCO('1.jpg', '2.jpg', found=[(0, 1)])), 'COCO', {'images/1.jpg': 'anomaly dent', 'images/2.jpg': 'good'}, {}, None, 'images/3.jpg'),
 'COCO from another machine': (dict(photos='images/1.jpg images/2.jpg', x_json=COCO('C:\\old\\1.jpg', 'C:\\old\\2.jpg', found=[(0, 1)])), 'COCO', {'images/1.jpg': 'anomaly dent', 'images/2.jpg': 'good'}, {}, None, ''),
 'COCO with boxes of good parts': (dict(photos='1.jpg 2.jpg', result_json=COCO('1.jpg', '2.jpg', found=[(0, 1), (0, 2), (1, 2)])), 'COCO', {'1.jpg': 'anomaly dent', '2.jpg': 'good'}, {}, None, ''),
 'COCO by side': (dict(photos='train/1.jpg train/2.jpg test/3.jpg test/4.jpg', train___annotations_coco_json='', **{f'{s}__annotations_json': COCO(a, b, found=[(0, 1)]) for s, a, b in (('train', '1.jpg', '2.jpg'), ('test', '3.jpg', '4.jpg'))}), 'the split is kept', {'train/1.jpg': 'anomaly dent', 'train/2.jpg': 'good', 'test/3.jpg': 'anomaly dent', 'test/4.jpg': 'good'}, {}, ['test', 'test', 'train', 'train'], ''),
 'YOLO': (dict(photos='images/train/1.jpg images/train/2.jpg images/val/3.jpg', labels__train__1_txt='0 .5 .5 .5 .5\n', labels__train__2_txt='', data_yaml='names:\n  0: dent\n'), 'YOLO', {'images/train/1.jpg': 'anomaly dent', 'images/train/2.jpg': 'good'}, {}, ['', ''], 'images/val/3.jpg'),
 'YOLO, sides outside': (dict(photos='train/images/1.jpg train/images/2.jpg test/images/3.jpg test/images/4.jpg', train__labels__1_txt='0 .5 .5 .5 .5\n', train__labels__2_txt='', test__labels__3_txt='0 .5 .5 .1 .1\n', test__labels__4_txt='', data_yaml='names: [dent]\n'), 'the split is kept', {'train/images/1.jpg': 'anomaly dent', 'train/images/2.jpg': 'good', 'test/images/3.jpg': 'anomaly dent', 'test/images/4.jpg': 'good'}, {}, ['test', 'test', 'train', 'train'], ''),
 'YOLO beside': (dict(photos='obj_train_data/1.jpg obj_train_data/2.jpg', obj_train_data__1_txt='1 .5 .5 .5 .5\n', obj_train_data__2_txt='', obj_names='spot\ndent\n'), 'YOLO', {'obj_train_data/1.jpg': 'anomaly dent', 'obj_train_data/2.jpg': 'good'}, {}, None, ''),
 'Pascal VOC': (dict(photos='JPEGImages/1.jpg JPEGImages/2.jpg', Annotations__1_xml=VOC, Annotations__2_xml='<annotation><filename>2.jpg</filename></annotation>'), 'Pascal VOC', {'JPEGImages/1.jpg': 'anomaly dent', 'JPEGImages/2.jpg': 'good'}, {}, None, ''),
 'LabelMe': (dict(photos='train/1.jpg train/2.jpg val/3.jpg', train__1_json=LABELME('1.jpg'), train__2_json=LABELME('2.jpg', shapes=[])), 'LabelMe', {'train/1.jpg': 'anomaly dent', 'train/2.jpg': 'good'}, {}, None, 'val/3.jpg'),
 'LabelMe in a folder': (dict(photos='images/1.jpg images/2.jpg', labels__1_json=LABELME('..\\images\\1.jpg'), labels__2_json=LABELME('2.jpg', shapes=[], flags=dict(good=True))), 'LabelMe', {'images/1.jpg': 'anomaly dent', 'images/2.jpg': 'good'}, {}, None, ''),
 'Pascal VOC with lists': (dict(photos=' '.join(f'JPEGImages/{i}.jpg' for i in range(4)), **{f'Annotations__{i}_xml': VOC.replace('1.jpg', f'{i}.jpg') if i % 2 else f'<annotation><filename>{i}.jpg</filename></annotation>' for i in range(4)}, ImageSets__Main__trainval_txt='0\n1\n2 1\n3 -1\n', ImageSets__Main__train_txt='0\n1\n', ImageSets__Main__test_txt='2 1\n3 -1\n'), 'the split is kept', {f'JPEGImages/{i}.jpg': 'anomaly dent' if i % 2 else 'good' for i in range(4)}, {}, ['train', 'train', 'test', 'test'], ''),
 'table of boxes': (dict(photos='images/1.jpg images/2.jpg images/3.jpg', boxes_csv='image_id,width,height,bbox\n1,32,24,"[10, 5, 30, 10]"\n1,32,24,"[1, 2, 3, 4]"\n2,32,24,\n'), 'boxes = columns bbox', {'images/1.jpg': 'anomaly defect', 'images/2.jpg': 'good'}, {}, None, 'images/3.jpg'),
 'CVAT': (dict(photos='images/1.jpg images/2.jpg images/3.jpg', annotations_xml=CVAT), 'CVAT', {'images/1.jpg': 'anomaly dent', 'images/2.jpg': 'good'}, {}, None, 'images/3.jpg'),
}

@pytest.mark.parametrize('name', LAYOUTS)
def test_layout(name, tmp_path):
    drawn, said, classes, masks, splits, passed = LAYOUTS[name]
    root = build(tmp_path/'set', **drawn)
    found, got, pairs, rows = look(root)
    assert said in found.name, found.name
    assert got == classes and pairs == masks
    assert [r.split for r in rows.values()] == (splits or ['']*len(rows)) and list(rows) == sorted(rows)
    assert passed in str(found.passed), str(found.passed)
    images = [p for p in root.rglob('*') if p.suffix.lower() in ('.png', '.jpg', '.bmp')]
    counted = sum(int(n) for n in re.findall(r'(\d+) photo', str(found.passed)))
    assert len(rows) + len(contents(root).masks) + counted == len(images), str(found.passed)

def test_groups(tmp_path):
    "What must stay together: the surfaces of a commutator, the views of a part, the photos of a day."
    for name, groups in {'KolektorSDD': {'kos01', 'kos02'}, 'Real-IAD': {'OK/S0001', 'NG/BX/S0002'}, 'days outside': {'2026-01-01', '2026-01-02'}}.items():
        rows = look(build(tmp_path/name, **LAYOUTS[name][0]))[3]
        assert {r.group for r in rows.values()} == groups

def test_boxes(tmp_path):
    "Half-open, whole pixels, cut off at the photo's edge."
    for name, box in {'COCO': '10,5,20,24', 'Pascal VOC': '10,5,20,24', 'CVAT': '10,5,20,24', 'YOLO': '8,6,24,18', 'LabelMe': '10,7,20,17', 'table of boxes': '10,5,30,10;1,2,3,4'}.items():
        rows = look(build(tmp_path/name, **LAYOUTS[name][0]))[3]
        assert [r.boxes for r in rows.values() if r.label == 'anomaly'] == [box], name
        assert not any(r.boxes for r in rows.values() if r.label == 'good')

def test_files(tmp_path):
    "The file alone is enough where it says where its photos are."
    iad = build(tmp_path/'iad', 'toy/OK/S0001/a.jpg toy/NG/BX/S0002/b.jpg', 'toy/NG/BX/S0002/b.png', toy_json=IAD)
    _, got, masks, _ = look(iad, iad/'toy.json')
    assert got == {'toy/OK/S0001/a.jpg': 'good', 'toy/NG/BX/S0002/b.jpg': 'anomaly BX'} and masks == {'toy/NG/BX/S0002/b.jpg': 'toy/NG/BX/S0002/b.png'}
    for name, file in {'COCO': 'annotations/instances_default.json', 'CVAT': 'annotations.xml', 'YOLO': 'data.yaml', 'Kaggle': 'labels.csv'}.items():
        root = build(tmp_path/name, **LAYOUTS[name][0])
        assert look(root, root/file)[1] == LAYOUTS[name][2]
    assert find_layout('elpv').rows.shape[0] == 2223

TABLES = {      # what the file holds -> the classes in its order; photos are images/a.JPG, images/b.png, c.tif, 'd#2.tif', Prüfung.png
 'bom; semicolon': ('﻿path;label\r\nc.tif;0\r\nimages/b.png;1\r\n'.encode(), ['0', '1'], ''),
 'utf-16 with tabs': ('Image\tClass\nPrüfung.png\tOK\nimages/b.png\tNG\n'.encode('utf-16'), ['OK', 'NG'], 'UTF-16'),
 'western Windows': ('file|target\nPrüfung.png|gut\nimages/b.png|böse\n'.encode('cp1252'), ['gut', 'böse'], '1252'),
 'backslashes': (b'filename,category\nimages\\b.png,x\n.\\c.tif,y\n', ['x', 'y'], 'backslashes'),
 'other case': (b'img,y\nIMAGES/B.PNG,x\n'.replace(b'IMAGES/', b'images/') + b'images/a.jpg,z\n', ['x', 'z'], 'upper and lower case'),
 'no endings': (b'id,label\na,x\nb,y\n', ['x', 'y'], 'endings'),
 'quoted': (b'"path","label"\n"c.tif","a ""b"", c"\n"images/b.png",NaN\n', ['a "b", c', 'NaN'], ''),
 'NaN and empty stay': (b'path,label\nc.tif,NaN\nimages/b.png,\n', ['NaN', ''], ''),
 'pages': (b'path,label\nc.tif#2,x\nd#2.tif,y\n', ['x', 'y'], ''),
 'no header': (b'c.tif,x\nimages/b.png,y\n', ['x', 'y'], ''),
 'excel says sep': (b'sep=;\npath;label\nc.tif;x\n', ['x'], ''),
 'ids beside names': (b'id,file_name,ok_nok,comment\n1,c.tif,ok,a\n2,images/b.png,nok,b\n', ['ok', 'nok'], 'ok_nok'),
 'flags': (b'path,is_ok\nc.tif,True\nimages/b.png,False\n', ['good', 'anomaly'], '1 means good'),
 'zero and one of a label': (b'path,label\nc.tif,0\nimages/b.png,1\n', ['0', '1'], ''),
 'a title above': ('Bericht, Mai 2026\r\n\r\npath;label;mm\r\nc.tif;x;2,5\r\nimages/b.png;y;3,25\r\n'.encode(), ['x', 'y'], "title 'Bericht, Mai 2026' left out"),
 'Japanese Windows': ('ファイル,image,label\n一,c.tif,良品\n二,images/b.png,不良\n'.encode('cp932'), ['良品', '不良'], 'Shift-JIS'),
 'utf-16 without a mark': ('path,label\nc.tif,x\n'.encode('utf-16-be'), ['x'], 'UTF-16'),
 'index of pandas': (b',path,label\n0,c.tif,x\n', ['x'], ''),
}

@pytest.fixture
def parts(tmp_path):
    return build(tmp_path/'parts', 'images/a.JPG images/b.png c.tif d#2.tif Prüfung.png')

@pytest.mark.parametrize('name', TABLES)
def test_table(name, parts):
    data, classes, said = TABLES[name]
    (parts/'t.csv').write_bytes(data)
    found = find_layout(parts/'t.csv')
    assert found.rows.cls.tolist() == classes and said in found.name
    assert all(Path(p).exists() or Path(p.removesuffix('#2')).exists() for p in found.rows.path)
    assert [int(n) for n in found.rows.line] == sorted(int(n) for n in found.rows.line)

def test_excel(parts):
    pd = pytest.importorskip('pandas')
    pytest.importorskip('openpyxl')
    pd.DataFrame({'Datei': ['c.tif', 'images\\b.png'], 'Klasse': ['iO', 'niO']}).to_excel(parts/'t.xlsx', index=False)
    found = find_layout(parts/'t.xlsx')
    assert found.rows.cls.tolist() == ['iO', 'niO'] and 'Excel' in found.name and found.rows.line.tolist() == ['2', '3']

ASKED = {       # what is drawn -> words of the question
 'several categories': (dict(photos='bottle/train/good/1.png bottle/test/dent/1.png cable/train/good/1.png'), 'several categories .bottle, cable.'),
 'several categories of VisA': (dict(photos='pcb1/Data/Images/Normal/1.JPG pcb1/Data/Images/Anomaly/1.JPG pcb2/Data/Images/Normal/1.JPG pcb2/Data/Images/Anomaly/2.JPG'), 'several categories .pcb1, pcb2.'),
 'several categories of Real-IAD': (dict(photos='toy/OK/S0001/a.jpg toy/NG/BX/S0002/a.jpg usb/OK/S0001/a.jpg'), 'several categories .toy, usb.'),
 'a class called masks': (dict(photos='good/1.png good/2.png masks/1.png masks/2.png'), 'look like photos: if they are photos, rename'),
 'masks in a folder of any name': (dict(photos='good/1.png dent/2.png dent/3.png', masks='pieces/2.png pieces/3.png'), 'if they are masks, rename the folder to masks'),
 'masks of nothing': (dict(photos='good/1.png good/2.png masks/7.png'), 'rename'),
 'photos without masks': (dict(photos='images/1.png images/2.png', masks='masks/1.png'), '1 of 2 photos have no mask, first images/2.png'),
 'flat': (dict(photos='1.png 2.png'), 'no folders with images'),
 'nothing': (dict(notes_txt='x'), 'no folders with images'),
 'table and table': (dict(photos='images/1.png', a_csv='image,label\n1.png,x\n', b_csv='image,label\n1.png,y\n'), 'several tables of photos .a.csv, b.csv.'),
 'COCO and folders': (dict(photos='good/1.png bad/2.png', a_json=COCO('good/1.png')), 'holds COCO annotations and a folder good'),
 'COCO and YOLO': (dict(photos='images/1.png', labels__1_txt='0 .5 .5 .1 .1', data_yaml='names: [a]', a_json=COCO('1.png')), 'COCO and YOLO'),
 'nothing good is listed': (dict(photos='images/1.png images/2.png', labels__1_txt='0 .5 .5 .1 .1', data_yaml='names: [a]'), 'if they are good, list them with an empty text file'),
 'COCO of other photos': (dict(photos='images/1.png', a_json=COCO('9.png')), 'do not exist, first 9.png'),
 'COCO of another size': (dict(photos='images/1.png', a_json={**COCO('1.png', found=[(0, 1)]), 'images': [dict(id=0, file_name='1.png', width=640, height=480)]}), '32x24 but its boxes were drawn for 640x480'),
 'YOLO in pixels': (dict(photos='images/1.png', labels__1_txt='0 200 100 50 50', data_yaml='names: [a]'), 'line 1 is no line of YOLO'),
 'XML that explodes': (dict(photos='JPEGImages/1.png', Annotations__1_xml='<!DOCTYPE x [<!ENTITY a "b">]><annotation>&a;</annotation>'), 'attack'),
 'unknown columns': (dict(photos='images/1.png', a_csv='image,verdict\n1.png,x\n'), 'no column label: its columns are image, verdict'),
 'two labels': (dict(photos='images/1.png', a_csv='image,class,target\n1.png,x,1\n'), 'several columns that may be the label .class, target.'),
 'one-hot': (dict(photos='images/1.png images/2.png', a_csv='image,dent,spot\n1.png,0,1\n2.png,0,0\n'), 'columns of 0 and 1 .dent, spot.'),
 'no paths': (dict(photos='images/1.png images/2.png', a_csv='image,label\n1.png,x\n,y\n2.png,x\n'), 'rows without a path .line 3.'),
 'twice': (dict(photos='images/1.png images/2.png', a_csv='image,label\n1.png,x\n2.png,x\n./1.png,x\n'), 'twice .lines 2, 4.'),
 'gone': (dict(photos='images/1.png', a_csv='image,label\n1.png,x\n7.png,x\n'), 'do not exist, first 7.png .line 3.'),
 'absolute paths of Windows': (dict(photos='images/1.png', a_csv='image,label\nC:\\x\\1.png,x\n'), 'Windows paths'),
 'masks in the table': (dict(photos='images/1.png images/2.png', masks='images/2_mask.png', a_csv='image,label\n1.png,x\n2.png,y\n2_mask.png,y\n'), 'line 4 names .*2_mask.png, which is a mask'),
 'two files of one name': (dict(photos='images/1.png images/1.jpg', a_csv='image,label\n1,x\n'), 'may be 1.jpg or 1.png'),
 'several products': (dict(photos='images/1.png images/2.png', a_csv='object,image,label\ncandle,1.png,x\npcb,2.png,y\n'), 'several categories in its column object .candle, pcb.'),
 'YOLO that is not finite': (dict(photos='images/1.png', labels__1_txt='0 nan .5 .1 .1', data_yaml='names: [a]'), 'line 1 is no line of YOLO'),
 'COCO that is not finite': (dict(photos='images/1.png', a_json='{"images": [{"id": 0, "file_name": "1.png"}], "categories": [{"id": 1, "name": "a"}], "annotations": [{"image_id": 0, "category_id": 1, "bbox": [0, 0, NaN, 3]}]}'), 'no valid COCO file'),
 'test beside a class': (dict(photos='good/1.png test/a/2.png'), 'is test a class'),
 'LabelMe that is cut off': (dict(photos='1.jpg 2.jpg', **{'1_json': LABELME('1.jpg'), '2_json': '{"version": "5", "sha'}), '2.json is not a readable JSON file'),
 'LabelMe of defective parts only': (dict(photos='1.jpg 2.jpg', **{'1_json': LABELME('1.jpg')}), '1 photos are not annotated, first 2.jpg: if they are good, list them with a JSON file without a shape for each, or say --good unlisted'),
 'a list of defective parts only': (dict(photos='images/1.png images/2.png', a_csv='image,label\n1.png,scratch\n'), '1 photos are not listed, first images/2.png.*--good unlisted'),
 'boxes of two kinds': (dict(photos='images/1.png images/2.png', a_csv='image,bbox\n1.png,"1,2,9,9"\n2.png,\n'), 'call the column bbox_xyxy'),
 'half a box': (dict(photos='images/1.png', a_csv='image,label,x,y,w,h\n1.png,x,1,2,,4\n'), 'line 2 has a box that is not understood'),
 'a box that is turned round': (dict(photos='images/1.png', a_csv='image,label,xmin,ymin,xmax,ymax\n1.png,x,9,2,3,4\n'), 'line 2 has a box that is not understood'),
 'with a box and without': (dict(photos='images/1.png', a_csv='image,label,x,y,w,h\n1.png,x,1,2,3,4\n1.png,x,,,,\n'), 'twice .lines 2, 3., and not with a box each'),
 'two splits of one photo': (dict(photos='images/1.png', a_csv='image,label,split,x,y,w,h\n1.png,x,train,1,2,3,4\n1.png,x,test,5,2,3,4\n'), "split 'train' and 'test' of one photo .lines 2, 3."),
 'two lists of one photo': (dict(photos='JPEGImages/1.jpg', Annotations__1_xml=VOC, ImageSets__Main__train_txt='1\n', ImageSets__Main__val_txt='1\n'), 'is in train.txt and val.txt'),
 'a field too many': (dict(photos='images/1.png', a_csv='image,label\n1.png,x,y\n'), 'line 2 has 3 fields'),
}

@pytest.mark.parametrize('name', ASKED)
def test_asked(name, tmp_path):
    drawn, words = ASKED[name]
    root = build(tmp_path/'set', **drawn)
    with pytest.raises(UserError) as e: find_layout(root)
    assert re.search(words, str(e.value)), str(e.value)
    assert '\n' not in str(e.value)

def test_unlisted(tmp_path):
    "Photos that annotations don't list are what the user says; a model trained so reads them so again, and no good one is turned round."
    from defect_nbdev.data.samples import samples
    root = build(tmp_path/'set', ' '.join(f'images/{i}.jpg' for i in range(4)), a_json=COCO('0.jpg', '1.jpg', found=[(0, 1), (1, 1)]))
    with pytest.raises(UserError, match='--good unlisted'): samples(root)
    for how in dict(good='unlisted'), dict(good=['unlisted']), dict(data=dict(classes=dict(good=['unlisted']), learned=dict(good=['good'], anomaly=['dent']))):
        t = samples(root, **how)
        assert t.label.tolist() == ['anomaly', 'anomaly', 'good', 'good'] and (t.boxes != '').tolist() == [True, True, False, False]
    said = []
    t = samples(root, skip='unlisted', strict=False, say=said.append)
    assert len(t) == 2 and any('2 photos that nothing says a label of' in l for l in said)
    assert samples(root/'a.json', good='unlisted').label.tolist() == t.label.tolist() + ['good']*2
    (root/'a.json').write_text(json.dumps(COCO('0.jpg', '1.jpg', found=[(0, 1)])))
    assert samples(root, strict=False).label.tolist() == ['anomaly', 'good']
    assert samples(root, good='unlisted').label.tolist() == ['anomaly', 'good', 'good', 'good']
    with pytest.raises(UserError, match="no class 'unlisted'"): samples(build(tmp_path/'plain', 'good/1.jpg bad/2.jpg'), good='unlisted')

def test_boxes_of_good_parts(tmp_path):
    "A box of a class that the user calls good is no truth."
    from defect_nbdev.data.samples import samples
    root = build(tmp_path/'set', 'images/1.png images/2.png', t_csv='image,label,x,y,w,h\n1.png,A,1,2,3,4\n2.png,B,1,2,3,4\n')
    t = samples(root/'t.csv', good='A')
    assert t.label.tolist() == ['good', 'anomaly'] and t.boxes.tolist() == ['', '1,2,4,6']

@pytest.mark.skipif(os.sep != '/', reason='Windows makes folders of such names')
def test_windows_zip(tmp_path):
    for n in ('good\\1.png', 'bad\\2.png'): photo(tmp_path/n)
    with pytest.raises(UserError, match='backslashes'): find_layout(tmp_path)

def spoilt(data, random):
    "Bytes with a few changes, of the kind that a bad export or a cut copy makes."
    b = bytearray(data.encode())
    for _ in range(random.choice([1, 1, 2, 4, 30])):
        i, kind = random.randrange(len(b) + 1), random.random()
        if kind < .4 and i < len(b): b[i] = random.randrange(256)
        elif kind < .6: del b[i:i+random.randrange(1, 20)]
        elif kind < .9: b[i:i] = random.choice([b'null', b'-1', b'NaN', b'"', b'[]', b'{}', b'1e999', b'\0', b';', b'\n', b'\xff\xfe', b'..', b'/'])
        else: del b[i:]
    return bytes(b)

@pytest.mark.parametrize('name', ['t.csv', 'b.csv', 'images/1.json', 'c.json', 'i.json', 'v.xml', 'Annotations/1.xml', 'labels/1.txt', 'data.yaml'])
def test_spoilt_files(name, tmp_path):
    "Whatever a file of labels holds, the answer is rows or one sentence."
    import random
    random = random.Random(0)
    whole = {'b.csv': 'image;label;xmin;ymin;xmax;ymax\nimages/1.jpg;dent;1;2;3,5;4\nimages/1.jpg;dent;5;5;9;9\nimages/2.jpg;;;;;\n', 'images/1.json': json.dumps(LABELME('1.jpg')), 't.csv': 'image;label;split;mask\nimages/1.jpg;ok;train;\nimages/2.jpg;nok;test;\n', 'c.json': json.dumps(COCO('1.jpg', '2.jpg', found=[(0, 1), (1, 2)])), 'i.json': json.dumps(IAD), 'v.xml': CVAT, 'Annotations/1.xml': VOC, 'labels/1.txt': '0 .5 .5 .1 .1\n0 .1 .1 .2 .2 .3 .3\n', 'data.yaml': 'names: [a, b]\n'}[name]
    other = dict(images__2_json=LABELME('2.jpg', shapes=[])) if name == 'images/1.json' else dict(labels__2_txt='0 .5 .5 .1 .1')
    root = build(tmp_path/'set', 'images/1.jpg images/2.jpg toy/OK/S0001/a.jpg toy/NG/BX/S0002/b.jpg', **other)
    (root/name).parent.mkdir(exist_ok=True)
    for _ in range(150):
        (root/name).write_bytes(spoilt(whole, random))
        try: assert len(find_layout(root if '/' in name or name == 'data.yaml' else root/name).rows)
        except UserError as e: assert str(e)

# Folders inside folders of classes -> words of the question, or classes and types
NESTED = [
    ('ok_front/1 ok_front/reject/2 def_front/3', 'ok_front/reject'),
    ('good/1 good/rejected/2 bad/3', 'is good/rejected good too?'), ('good/1 good/bad/2 bad/3', 'move good/bad beside'),
    ('good/1 bad/2 bad/unsure/3', '--skip bad/unsure'), ('OK/1 NG/2 NG/unsure/3', 'NG/unsure'), ('train/good/1 train/good/reject/2 train/bad/3 test/good/4 test/bad/5', 'good/reject'),
    ('2026-01-01/good/1 2026-01-01/good/ng/2 2026-01-01/bad/3', 'good/ng'), ('good/1 bad/2 bad/ok/3', 'bad/ok'), ('good/1 scratch/2 scratch/good/3', 'scratch/good'),
    ('good/1 bad/scratch/2 bad/dent/3', dict(good=1, scratch=1, dent=1)), ('good/2026-01-01/1 good/shift2/2 good/cam_a/3 good/7/4 bad/5', dict(good=4, bad=1)),
    ('good/1 bad/monday/2 bad/3', dict(good=1, bad=2)), ('good/1 combined/scratch/2', dict(good=1, **{'combined': 0}))]
@pytest.mark.parametrize('files,expected', NESTED)
def test_nested(files, expected, tmp_path):
    from defect_nbdev.data.samples import samples
    for f in files.split(): photo(tmp_path/f'{f}.png')
    if isinstance(expected, str):
        with pytest.raises(UserError) as e: samples(tmp_path)
        assert expected in str(e.value)
    else:
        got = samples(tmp_path).defect.value_counts().to_dict()
        assert all(got.get(k, 0) == n for k, n in expected.items()), got

def test_nested_answers(tmp_path):
    from defect_nbdev.data.samples import samples
    for f in 'good/1 good/rejected/2 bad/3 bad/unsure/4 combined/scratch/5 combined/6'.split(): photo(tmp_path/f'{f}.png')
    with pytest.raises(UserError, match='are bad/unsure, good/rejected good too'): samples(tmp_path)
    t = samples(tmp_path, skip=['rejected', 'bad/unsure', 'combined'])                # the inner name is enough; combined takes what is inside
    assert t.label.tolist() == ['anomaly', 'good']
    t = samples(tmp_path, good=['good', 'combined'], skip='unsure')
    assert dict(zip([Path(p).stem for p in t.path], t.label)) == {'1': 'good', '2': 'anomaly', '3': 'anomaly', '5': 'anomaly', '6': 'good'}

def test_masks_are_counted(tmp_path):
    "How many files are taken as masks is said, with their folders."
    root = build(tmp_path/'set', **LAYOUTS['MVTec AD'][0])
    assert find_layout(root).masks == 'masks: 2 files in ground_truth/'
    from defect_nbdev.data.samples import samples
    said = []
    samples(root, strict=False, say=said.append)
    assert any(l.startswith('layout: MVTec AD') and l.endswith('; masks: 2 files in ground_truth/') for l in said), said
    from defect_nbdev.data.sources import Sources
    root = build(tmp_path/'gt', **LAYOUTS['photos called like masks'][0])
    for s in (root, f'{root}/*/*.png'): assert len(list(Sources(s))) == 5
