//! `daybook openapi`.

use super::{Verdict, print_json};

pub fn run() -> anyhow::Result<Verdict> {
    print_json(&daybook_api::openapi())?;
    Ok(Verdict::Fine)
}
