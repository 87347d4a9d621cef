# Short names for what ./test and cargo do. `just` lists them.

_default:
    @just --list

# Everything that must hold before a commit, in under three minutes
quick:
    ./test quick

# Everything
test *parts:
    ./test {{ parts }}

# Put every file into its form
fmt:
    cargo fmt --all
    npx --prefix web prettier --write web

# Build the page into web/dist
web:
    npm ci --prefix web
    npm run --prefix web build

# A server for trying things out: a shell, this machine only
serve *args:
    cargo run --release -- serve {{ args }}

# One fuzz target for as long as you like
fuzz target seconds="600":
    cargo +nightly fuzz run {{ target }} -- -max_total_time={{ seconds }}
