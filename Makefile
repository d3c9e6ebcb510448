# The few commands a person needs; `make help` lists them. Everything but setup and the demonstration is cargo's work.

CARGO ?= cargo
# Rust by rustup is there even where the shell was not told.
export PATH := $(PATH):$(or $(CARGO_HOME),$(HOME)/.cargo)/bin

# Compilers at once: one a core, and one for each GiB of memory, which is what BoringSSL's largest files take.
cores  := $(shell getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)
memory := $(shell awk '/^MemTotal:/ { print int($$2 / 1048576) }' /proc/meminfo 2>/dev/null)
JOBS   ?= $(shell m=$(or $(memory),$(cores)); [ $$m -ge 1 ] || m=1; [ $$m -lt $(cores) ] && echo $$m || echo $(cores))

TARGET := $(or $(CARGO_TARGET_DIR),target)
PREFIX ?= $(shell test -w /usr/local/bin && echo /usr/local || echo $(HOME)/.local)
BINDIR := $(DESTDIR)$(PREFIX)/bin
# A user's own data may be elsewhere (XDG Base Directory Specification).
DATA   := $(if $(filter $(HOME)/.local,$(PREFIX)),$(or $(XDG_DATA_HOME),$(PREFIX)/share),$(PREFIX)/share)
SHARE  := $(DESTDIR)$(DATA)
MANUAL := $(SHARE)/man/man1/hs.1
# Where each shell looks for completions without being told; below ~/.local/share that is what XDG_DATA_HOME is by default.
BASH   := $(SHARE)/bash-completion/completions/hs
ZSH    := $(SHARE)/zsh/site-functions/_hs
FISH   := $(SHARE)/fish/vendor_completions.d/hs.fish

CARGO_DENY := 0.20.2
CARGO_DEB  := 3.8.0

.DEFAULT_GOAL := build
.PHONY: build run test test-system fuzz bench deny install uninstall screens dist deb setup setup-system reliability clean help

build: setup ## build the release binary, target/release/hs
	$(CARGO) build --locked --release -j $(JOBS) --bin hs

ifdef URL
run: build ## make run: a demonstration. make run URL=… ARGS='-t 8': a real download
	$(TARGET)/release/hs $(ARGS) '$(URL)'
else
run: setup
	$(CARGO) build --locked --release -j $(JOBS) --bin hs --example origin
	@scripts/demo.sh $(TARGET)/release/hs $(TARGET)/release/examples/origin $(ARGS)
endif

test: setup ## all tests that need no network and no privileges
	$(CARGO) test --locked -j $(JOBS)

test-system: setup-system ## the slow tests, against real servers on this machine, and over bad lines (those as root)
	$(CARGO) test --locked --release -j $(JOBS) --test main -- --ignored --show-output

fuzz: ## fuzz every parser, each for N seconds (default 60); needs a nightly compiler
	@FUZZ_SECONDS='$(or $(N),60)' scripts/fuzz.sh $(TARGETS)

reliability: setup ## write docs/RELIABILITY.md anew from the cases in tests/cases
	WRITE_RELIABILITY=1 $(CARGO) test --locked -j $(JOBS) --test main cases::table

bench: setup ## benchmarks
	$(CARGO) bench --locked -j $(JOBS)

deny: setup ## licenses, bans and sources of all dependencies (builds cargo-deny where it is missing: minutes)
	@$(CARGO) deny --version >/dev/null 2>&1 || $(CARGO) install --locked -j $(JOBS) cargo-deny@$(CARGO_DENY)
	$(CARGO) deny --locked check bans licenses sources
	@# The BoringSSL crate that vendor/boring-sys builds has a graph of its own. Duplicates in it are tools of its build.
	$(CARGO) deny --locked --manifest-path vendor/boring-sys/upstream/Cargo.toml --config deny.toml \
	    check --allow duplicate --allow unnecessary-skip --allow unmatched-skip bans licenses sources

install: ## put hs, its manual and completions into PREFIX (/usr/local if writable, else ~/.local)
	@# Under sudo, what the user has built is installed as it is: root often has no Rust, and must not own files in target/.
	@if [ -z "$$SUDO_USER" ] || [ ! -x $(TARGET)/release/hs ]; then $(MAKE) --no-print-directory build; fi
	@mkdir -p '$(BINDIR)' && install -m 755 $(TARGET)/release/hs '$(BINDIR)/hs'
	@mkdir -p $(foreach file,$(MANUAL) $(BASH) $(ZSH) $(FISH),'$(dir $(file))')
	@$(TARGET)/release/hs man >'$(MANUAL)'
	@$(TARGET)/release/hs completions bash >'$(BASH)'
	@$(TARGET)/release/hs completions zsh >'$(ZSH)'
	@$(TARGET)/release/hs completions fish >'$(FISH)'
	@chmod 644 $(foreach file,$(MANUAL) $(BASH) $(ZSH) $(FISH),'$(file)')
	@echo 'installed $(BINDIR)/hs, its manual and completions for bash, zsh and fish'
	@case ":$$PATH:" in *":$(PREFIX)/bin:"*) ;; *) \
	    echo 'hint: $(PREFIX)/bin is not on your PATH; add: export PATH="$(PREFIX)/bin:$$PATH"' ;; esac

uninstall: ## remove it again
	@rm -f '$(BINDIR)/hs' '$(MANUAL)' '$(BASH)' '$(ZSH)' '$(FISH)' && echo 'removed $(BINDIR)/hs'

dist: ## a release that starts on Debian 11 and later, built in a Debian 11 root (as root; needs debootstrap); DIST=FOLDER
	@JOBS=$(JOBS) scripts/dist.sh $(if $(DIST),'$(DIST)')

deb: build ## a Debian package of what is built here, in target/debian/ (builds cargo-deb where it is missing)
	@$(CARGO) deb --version >/dev/null 2>&1 || $(CARGO) install --locked -j $(JOBS) cargo-deb@$(CARGO_DEB)
	@# Where Cargo.toml says that they are, whatever the target directory.
	@mkdir -p target/package
	@$(TARGET)/release/hs man >target/package/hs.1
	@for shell in bash zsh fish; do $(TARGET)/release/hs completions $$shell >target/package/hs.$$shell; done
	$(CARGO) deb --no-build --no-strip

screens: setup ## the captures and the picture in docs/screens/, from real runs (needs tmux)
	$(CARGO) build --locked --release -j $(JOBS) --bin hs --example origin
	scripts/screens.sh $(TARGET)/release/hs $(TARGET)/release/examples/origin
	scripts/picture.py $(TARGET)/release/hs $(TARGET)/release/examples/origin

setup: ## install missing build tools, or say which
	@scripts/setup.sh

setup-system: ## the same, and the servers and browsers that the system tests need
	@scripts/setup.sh --system

clean: ## remove everything that was built
	$(CARGO) clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  \1\t\2/p' Makefile | expand -t 16
