//! Daybook: the composition root and the command line. It holds no logic of its own.

mod bench;
mod book;
mod cli;
mod config;
mod database;
mod embedded;
mod out;
mod receiver;
#[cfg(test)]
mod scratch;
mod serve;
mod stop;
mod telemetry;

use std::{panic::AssertUnwindSafe, process::ExitCode};

use clap::Parser;
use futures::FutureExt as _;

use cli::{Cli, Verdict};
use config::ConfigErrors;

/// Allocation was two fifths of a command's cost with the system's allocator.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    // One TLS provider for every library, before any of them looks for one.
    if rustls::crypto::ring::default_provider()
        .install_default()
        .is_err()
    {
        eprintln!("daybook: a TLS provider is installed already");
        return ExitCode::FAILURE;
    }
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("daybook: starting the runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    // A panic has told its message by then; it ends in an exit code of ours.
    let command = AssertUnwindSafe(Box::pin(cli::run(cli))).catch_unwind();
    let outcome = runtime.block_on(command);
    // Whatever still runs (a reader in a blocking thread) does not hold up the end.
    runtime.shutdown_background();
    match outcome {
        Ok(Ok(Verdict::Fine)) => ExitCode::SUCCESS,
        Ok(Ok(Verdict::Different)) => ExitCode::from(3),
        Ok(Err(error)) => {
            eprintln!("daybook: {error:#}");
            let usage = error.downcast_ref::<ConfigErrors>().is_some();
            if usage {
                ExitCode::from(2)
            } else {
                ExitCode::FAILURE
            }
        }
        Err(_) => ExitCode::FAILURE,
    }
}
