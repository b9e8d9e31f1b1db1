//! Simulated hours in seconds; the whole day is `daybook bench soak`.

use daybook_tests::binary;
use tokio::process::Command;

#[tokio::test(flavor = "multi_thread")]
async fn memory_stays_as_it_is_while_simulated_hours_pass() {
    let soak = Command::new(binary::daybook())
        .args(["bench", "soak", "--hours", "2", "--json"])
        .kill_on_drop(true)
        .output()
        .await
        .expect("daybook runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (stdout, stderr) = (text(&soak.stdout), text(&soak.stderr));
    assert!(soak.status.success(), "{stdout}\n{stderr}");
    assert!(stdout.contains("growth of resident memory"), "{stdout}");
}
