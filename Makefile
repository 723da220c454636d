# Two commands: `make run` serves on 127.0.0.1:8080, `make test` passes every test. Both set up what they need.

.PHONY: run test setup format lint rust-tests client-tests

run: setup
	cargo run --release --quiet -- serve

test: setup format lint rust-tests client-tests

setup:
	@sh scripts/setup.sh

format:
	cargo fmt --all --check

lint:
	cargo clippy --release --workspace --all-targets -- -D warnings

# --workspace everywhere: the dependencies are then built once, with one set of features.
rust-tests:
	cargo test --release --workspace
	RUSTDOCFLAGS="-D warnings" cargo doc --release --workspace --no-deps --quiet

client-tests: rust-tests
	cargo build --release --workspace
	@sh scripts/client-tests.sh
