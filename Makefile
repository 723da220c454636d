# Two commands: `make run` serves on 127.0.0.1:8080, `make test` passes every test. Both set up what they need.

.PHONY: run test setup test-setup app format lint rust-tests client-tests

# The web app, which the server's binary embeds: built before anything is compiled, and only when it changed.
APP := client-ts/app/dist/index.html

run: setup app
	cargo run --release --quiet -- serve

test: test-setup app format lint rust-tests client-tests

setup:
	@sh scripts/setup.sh

test-setup:
	@sh scripts/setup.sh tests

app: $(APP)

$(APP): client-ts/package-lock.json $(shell find client-ts/src client-ts/app -type f -not -path '*/dist/*')
	@sh scripts/app.sh

format:
	cargo fmt --all --check

lint:
	cargo clippy --release --workspace --all-targets -- -D warnings

# --workspace for whatever is tested: the dependencies are then built once for all of it, with one set of features.
rust-tests: app
	cargo test --release --workspace
	RUSTDOCFLAGS="-D warnings" cargo doc --release --workspace --no-deps --quiet

client-tests: rust-tests
	cargo build --release --workspace
	@sh scripts/client-tests.sh
