//! Standard output. A reader that has gone (`daybook … | head`) ends the output, not the command.

use std::{
    fmt,
    io::{self, Write},
};

/// Prints a line.
pub fn line(text: fmt::Arguments<'_>) {
    check(writeln!(io::stdout().lock(), "{text}"));
}

/// Prints text as it is.
pub fn text(text: &str) {
    check(io::stdout().lock().write_all(text.as_bytes()));
}

fn check(written: io::Result<()>) {
    match written {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
        // A full disk behind `> file`: what is missing must not look complete.
        Err(error) => panic!("writing to standard output: {error}"),
    }
}

/// `println!`, through [`fn@line`].
macro_rules! say {
    ($($argument:tt)*) => { $crate::out::line(format_args!($($argument)*)) };
}
pub(crate) use say;
