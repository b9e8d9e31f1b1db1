//! A throw-away Postgres server for all processes of a test run: prints its URL, and lasts until
//! standard input ends.

use std::io::{self, Read as _};

use daybook_store::{cluster::Durability, testing::TestCluster};

fn main() -> io::Result<()> {
    let server = TestCluster::start(Durability::Volatile);
    let cluster = server
        .cluster
        .as_ref()
        .expect("invariant: it was just started");
    println!("{}", cluster.url("postgres"));
    io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}
