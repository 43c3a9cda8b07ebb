# make demo    train on real photos of solar cells and show verdicts, heatmaps and boxes
# make test    everything that must hold before a change lands
# make docs    the documentation in _docs
# make audit   known vulnerabilities of the pinned packages (asks the package index)
# make rivals  other methods on the same photos, in an environment of their own (MVTEC=folder; STAGES=speed for costs alone)
# make reference  VGG16-GAP on the reference's parts of MVTec AD, many times over (MVTEC=folder)
# make cracks  train on photos of cracks and compare SHAP with other maps (DATA=folder that holds Positive/ and Negative/)
# All install what they need into .venv first.

PYTHON ?= python3
BIN    := .venv/bin
OUT    ?= demo
N      ?= 1200
MVTEC  ?= mvtec_ad
STAGES ?= check measure
export UV_PYTHON_DOWNLOADS := never
export VIRTUAL_ENV := $(CURDIR)/.venv

.PHONY: help install demo test reference docs release-check audit clean-export notebooks pytest wheel lock readme readme-figures clean rivals lock-rivals cracks has-data

help:
	@sed -n '1,9s/^# //p' Makefile

install: .venv/.installed

.venv/.installed: requirements-dev.txt settings.ini setup.py pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if v >= (3, 10) else f"Python {v[0]}.{v[1]} is too old: install Python 3.10 or newer, then make PYTHON=python3.11 $(MAKECMDGOALS)")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -q -c requirements-dev.txt uv
	$(BIN)/uv pip install --compile-bytecode -r requirements-dev.txt
	$(BIN)/uv pip install -q --no-deps -e .
	touch $@

demo: install
	$(BIN)/defect demo -o $(OUT) -n $(N)

test: clean-export notebooks pytest

# The notebooks are the source: cleaning and exporting them must change nothing.
clean-export: install
	@mkdir -p .cache
	@(git status --porcelain nbs defect_nbdev; git diff nbs defect_nbdev) > .cache/before
	$(BIN)/nbdev_clean && $(BIN)/nbdev_export
	@(git status --porcelain nbs defect_nbdev; git diff nbs defect_nbdev) > .cache/after
	@cmp -s .cache/before .cache/after || (git --no-pager diff --stat nbs defect_nbdev; echo 'nbdev_clean or nbdev_export changed files: look at them and commit them.'; exit 1)

# In three parts: each process keeps what its notebooks have made until it ends, 10 GB if it had them all.
WINGS := core|data|explain|metrics|models|train
PARTS := app|batch|cli|deploy|report
TALES := case_studies|explanation|how_to|runs|study
NBDEV_TEST = PATH="$(CURDIR)/$(BIN):$$PATH" PYTHONWARNINGS=ignore OMP_NUM_THREADS=1 DEFECT_WEIGHTS=$(CURDIR)/.cache/no-weights $(BIN)/nbdev_test --n_workers 2 --timing

notebooks: install
	$(NBDEV_TEST) --skip_folder_re '^[_.]|^($(PARTS)|$(TALES))$$'
	$(NBDEV_TEST) --skip_folder_re '^[_.]|^($(WINGS)|$(TALES))$$' --skip_file_re '^[_.]|^(index|all)\.'
	$(NBDEV_TEST) --skip_folder_re '^[_.]|^($(WINGS)|$(PARTS))$$' --skip_file_re '^[_.]|^(index|all)\.'

pytest: install
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile

wheel: install
	rm -rf build
	$(BIN)/uv build -q --wheel -o dist

# Where Quarto is not at hand; on GitHub nbdev_docs builds the same notebooks with it. smalldocs needs Python 3.11.
docs: install
	$(BIN)/python .ci/make_docs.py

# Installs the wheel with each extra into empty environments: half an hour and some gigabytes.
release-check: install
	$(BIN)/python .ci/release_check.py

# Needs an index that knows advisories; not part of make test, because its answer changes without a change here.
audit: install
	$(BIN)/pip-audit -r requirements-dev.txt --no-deps --disable-pip

# What is stored is not done again; ARGS='--backbone resnet50 --name resnet' chooses, and benchmarks/cracks.py --help tells the rest.
cracks: has-data install
	$(BIN)/python -W ignore benchmarks/cracks.py '$(DATA)' $(ARGS)

has-data:
	@test -n '$(DATA)' || { echo 'make cracks needs photos: say make cracks DATA=folder, where the folder holds Positive/ and Negative/.'; exit 1; }

# Runtime requirements stay wide; this pins the environment of development.
lock: install
	$(BIN)/uv pip compile -q --universal --python-version 3.10 --extra dev --extra demo --extra gradcam --extra timm --extra track --extra metric --extra shap --extra export --extra scale --extra app --extra excel --extra heif --upgrade setup.py -o requirements-dev.txt
	$(BIN)/python .ci/make_inspect.py

# VGG16-GAP as the reference trained it, on those of its parts that the folder MVTEC holds; then the page that shows it.
reference: install
	@test -d "$(MVTEC)" || { echo 'Name the folder that holds the parts of MVTec AD: make reference MVTEC=folder'; exit 1; }
	$(BIN)/python -W ignore benchmarks/reference.py --mvtec "$(MVTEC)" $(ARGS)
	MVTEC="$(abspath $(MVTEC))" $(BIN)/python -W ignore -m nbconvert --to notebook --execute --inplace nbs/case_studies/reference.ipynb
	$(BIN)/nbdev_clean
# Foreign pins stay in .venv-rivals. What is stored is not measured again; ARGS='--parts grid --rivals PaDiM' chooses.
rivals: install .venv-rivals/.installed
	$(BIN)/python -W ignore benchmarks/rivals/run.py --mvtec $(MVTEC) --stages $(STAGES) $(ARGS)

.venv-rivals/.installed: requirements-rivals.txt
	test -x .venv-rivals/bin/python || $(PYTHON) -m venv .venv-rivals
	$(BIN)/uv pip install --python .venv-rivals/bin/python --no-deps -r requirements-rivals.txt
	touch $@

# What both environments need has the same version in both, so that seconds can be compared.
lock-rivals: install
	$(BIN)/uv pip compile -q --universal --python-version 3.11 -c requirements-dev.txt requirements-rivals.in -o requirements-rivals.txt

# After a new demo: make readme-figures, run nbs/index.ipynb, make readme
readme-figures: demo
	$(BIN)/python .ci/make_readme.py --figures

readme: install
	$(BIN)/python .ci/make_readme.py

clean:
	rm -rf .cache build dist demo *.egg-info _proc _docs
