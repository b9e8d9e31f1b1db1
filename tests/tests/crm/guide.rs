//! docs/CRM-INTEGRATION.md, done as it says: every snippet, from the first to the last, in one empty
//! directory, against programs that its own snippets start.

use std::{
    fs::{self, File},
    os::unix::fs::symlink,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use daybook_tests::{
    Launch,
    binary::{daybook, repository},
    launch::Directory,
};

/// Addresses of the document, which are not free on every machine.
const ADDRESSES: [&str; 4] = [
    "127.0.0.1:8080",
    "127.0.0.1:9400",
    "127.0.0.1:9500",
    "127.0.0.1:9600",
];
const PATIENCE: Duration = Duration::from_secs(120);
const STOP_PATIENCE: Duration = Duration::from_secs(20);

/// What begins every shell of a reader.
const SHELL: &str = "set -eu\n\
    if [ -f crm.sh ]; then . ./crm.sh; fi\n";

/// One fenced block.
#[derive(Debug)]
struct Block {
    section: String,
    language: String,
    /// First line of it in the document.
    line: usize,
    text: String,
}

/// Blocks of a document in order.
fn blocks(document: &str) -> Vec<Block> {
    let (mut blocks, mut section) = (Vec::new(), String::new());
    let mut open: Option<Block> = None;
    for (number, line) in (1..).zip(document.lines()) {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(language)) => {
                open = Some(Block {
                    section: section.clone(),
                    language: language.to_owned(),
                    line: number + 1,
                    text: String::new(),
                });
            }
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (Some(block), None) => block.text += &format!("{line}\n"),
            (None, None) => {
                if let Some(heading) = line.strip_prefix("## ") {
                    heading.clone_into(&mut section);
                }
            }
        }
    }
    assert!(open.is_none(), "a block is not closed");
    blocks
}

/// A reader who does what the document says.
struct Reader {
    directory: Directory,
    /// What stands for each of the document's addresses.
    addresses: Vec<String>,
    /// Process groups of shells, with what they left running.
    groups: Vec<u32>,
}

impl Reader {
    fn new() -> Self {
        let directory = Directory::new();
        let tests = repository().join("tests");
        symlink(tests, directory.path().join("tests")).expect("a link can be made");
        Self {
            directory,
            addresses: ADDRESSES.map(|_| Launch::bare().listen()).to_vec(),
            groups: Vec::new(),
        }
    }

    /// Does what a block says.
    fn follow(&mut self, block: &Block) {
        let mut text = block.text.clone();
        for (named, free) in ADDRESSES.iter().zip(&self.addresses) {
            text = text.replace(named, free);
            let port = |address: &str| address.rsplit(':').next().map(str::to_owned);
            let (named, free) = (port(named), port(free));
            let (named, free) = (named.unwrap_or_default(), free.unwrap_or_default());
            text = text.replace(&format!("({named},"), &format!("({free},"));
            text = text.replace(&format!(", {named})"), &format!(", {free})"));
        }
        match block.language.as_str() {
            "sh" => self.run(block, "bash", &["-c", &format!("{SHELL}{text}")]),
            "js" => self.save_or_run(block, &text, "// ", "mjs", "node"),
            "python" => self.save_or_run(block, &text, "# ", "py", "python3"),
            other => panic!("line {}: nobody runs {other:?}", block.line),
        }
    }

    /// A block whose first line names a file is that file; any other one is run.
    fn save_or_run(
        &mut self,
        block: &Block,
        text: &str,
        comment: &str,
        ending: &str,
        program: &str,
    ) {
        let first = text.lines().next().unwrap_or_default();
        let named = first.strip_prefix(comment).filter(|name| {
            Path::new(name).extension().is_some_and(|end| end == ending) && !name.contains(' ')
        });
        let name = match named {
            Some(name) => name.to_owned(),
            None => format!("line_{}.{ending}", block.line),
        };
        fs::write(self.directory.path().join(&name), text).expect("a file can be written");
        if named.is_none() {
            let sourced = format!("{SHELL}exec {program} {name}");
            self.run(block, "bash", &["-c", &sourced]);
        }
    }

    fn run(&mut self, block: &Block, program: &str, arguments: &[&str]) {
        use std::os::unix::process::CommandExt as _;
        let output = self.directory.path().join("output");
        let file = || {
            let file = File::options().create(true).append(true).open(&output);
            file.expect("a file can be written")
        };
        let _fresh = fs::remove_file(&output);
        let mut child = self
            .command(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(file())
            .stderr(file())
            .process_group(0)
            .spawn()
            .expect("a shell runs");
        self.groups.push(child.id());
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait().expect("it is our child") {
                break Some(status);
            }
            if begun.elapsed() > PATIENCE {
                break None;
            }
            std::thread::sleep(Duration::from_millis(50));
        };
        if status.is_some_and(|status| status.success()) {
            return;
        }
        let said =
            |name: &str| fs::read_to_string(self.directory.path().join(name)).unwrap_or_default();
        let logs = format!(
            "crm.log:\n{}\nsite.log:\n{}",
            said("crm.log"),
            said("site.log")
        );
        panic!(
            "line {} of the guide ({}) ended with {status:?}: {}\n{logs}",
            block.line,
            block.section,
            said("output")
        );
    }

    /// Nothing of this process's environment leaks in but the paths.
    fn command(&self, program: &str) -> Command {
        let own = daybook().parent().expect("a program is in a directory");
        let path = std::env::var("PATH").unwrap_or_default();
        let mut command = Command::new(program);
        command
            .env_clear()
            .envs(Launch::bare().environment())
            .env("PATH", format!("{}:{path}", own.display()))
            .env("DAYBOOK_LISTEN", &self.addresses[0])
            .current_dir(self.directory.path());
        command
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let signal = |name: &str| {
            let one = |group| format!("kill -{name} -- -{group} 2> /dev/null && found=yes; ");
            let all: String = self.groups.iter().map(one).collect();
            let text = format!("{all}test -n \"${{found:-}}\"");
            let sent = Command::new("sh").args(["-c", &text]).status();
            sent.is_ok_and(|status| status.success())
        };
        let begun = Instant::now();
        signal("TERM");
        // Until nobody is left to be told: the site ends its own database.
        while signal("0") && begun.elapsed() < STOP_PATIENCE {
            std::thread::sleep(Duration::from_millis(100));
        }
        signal("KILL");
    }
}

#[test]
fn what_the_guide_says_works() {
    let path = repository().join("docs/CRM-INTEGRATION.md");
    let document = fs::read_to_string(path).expect("the guide is there");
    let blocks = blocks(&document);
    let mut reader = Reader::new();
    for block in &blocks {
        println!("line {}: {}, {}", block.line, block.section, block.language);
        reader.follow(block);
    }
    assert!(
        blocks.len() >= 15,
        "only {} snippets were run",
        blocks.len()
    );
}

#[test]
fn blocks_are_found_with_their_sections() {
    let document = "# A\n```sh\none\n```\ntext\n## B\n```js\n## no heading\ntwo\n```\n";
    let found: Vec<_> = blocks(document)
        .into_iter()
        .map(|block| (block.section, block.language, block.line, block.text))
        .collect();
    let block = |section: &str, language: &str, line, text: &str| {
        (
            section.to_owned(),
            language.to_owned(),
            line,
            text.to_owned(),
        )
    };
    let expected = [
        block("", "sh", 3, "one\n"),
        block("B", "js", 8, "## no heading\ntwo\n"),
    ];
    assert_eq!(found, expected);
}
