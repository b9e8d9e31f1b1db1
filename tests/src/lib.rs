//! Black-box tests of the running `daybook` program; see `tests/`.
