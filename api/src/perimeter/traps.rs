//! Paths that nothing here has, no page links to and no browser asks for by itself: whoever asks
//! for one looks for holes. What an older site may have had, and others may still link to, is not
//! among them.

use std::borrow::Cow;

use crate::layers::without_version;

/// In lower case; each with everything below it.
const TRAPS: &[&str] = &[
    "/.aws",
    "/.circleci",
    "/.config.php",
    "/.docker",
    "/.ds_store",
    "/.env",
    "/.git",
    "/.git-credentials",
    "/.gitlab-ci.yml",
    "/.hg",
    "/.htaccess",
    "/.htpasswd",
    "/.kube",
    "/.npmrc",
    "/.ssh",
    "/.svn",
    "/.vscode",
    "/_ignition",
    "/_profiler",
    "/actuator/env",
    "/actuator/heapdump",
    "/admin.php",
    "/adminer.php",
    "/administrator",
    "/backup.sql",
    "/backup.zip",
    "/boaform",
    "/cgi-bin",
    "/config.php",
    "/config.yml",
    "/database.sql",
    "/db.sql",
    "/dump.sql",
    "/etc/passwd",
    "/hnap1",
    "/id_rsa",
    "/info.php",
    "/jmx-console",
    "/manager/html",
    "/myadmin",
    "/mysqladmin",
    "/owa/auth",
    "/php-cgi",
    "/phpinfo.php",
    "/phpmyadmin",
    "/pma",
    "/server-status",
    "/setup.php",
    "/shell.php",
    "/solr/admin",
    "/telescope/requests",
    "/vendor/phpunit",
    "/web.config",
    "/wp-admin",
    "/wp-config.php",
    "/wp-login.php",
    "/xmlrpc.php",
];

/// What a name may go on with, to catch copies: `/.env.local`, `/wp-config.php.bak`, `/.git~`.
const COPIED: &[char] = &['/', '.', '~'];

/// The trap that a path leads into.
pub(super) fn trap(path: &str) -> Option<&'static str> {
    let path = plain(without_version(path));
    let leads = |trap: &&&str| {
        let rest = path.strip_prefix(**trap);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(COPIED))
    };
    TRAPS.iter().find(leads).copied()
}

/// As a server would look it up: decoded, in lower case, without doubled slashes.
fn plain(path: &str) -> Cow<'_, str> {
    let simple = |byte: u8| !byte.is_ascii_uppercase() && byte != b'%';
    if path.bytes().all(simple) && !path.contains("//") {
        return Cow::Borrowed(path);
    }
    let mut decoded: Vec<u8> = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let escaped = (first == b'%').then(|| escaped(after)).flatten();
        let byte = escaped.unwrap_or(first).to_ascii_lowercase();
        rest = if escaped.is_some() {
            &after[2..]
        } else {
            after
        };
        if byte != b'/' || decoded.last() != Some(&b'/') {
            decoded.push(byte);
        }
    }
    Cow::Owned(String::from_utf8_lossy(&decoded).into_owned())
}

fn escaped(after: &[u8]) -> Option<u8> {
    let digits = std::str::from_utf8(after.get(..2)?).ok()?;
    u8::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probes_lead_into_traps_however_they_are_written() {
        for (path, expected) in [
            ("/wp-login.php", "/wp-login.php"),
            ("/.env", "/.env"),
            ("/.env.production", "/.env"),
            ("/.git/config", "/.git"),
            ("/phpmyadmin/index.php", "/phpmyadmin"),
            ("/phpMyAdmin/", "/phpmyadmin"),
            ("/%2eenv", "/.env"),
            ("//.env", "/.env"),
            ("/api/v1/.env", "/.env"),
            ("/wp-config.php~", "/wp-config.php"),
            ("/%2E%67it/HEAD", "/.git"),
        ] {
            assert_eq!(trap(path), Some(expected), "{path}");
        }
    }

    #[test]
    fn honest_paths_lead_nowhere() {
        for path in [
            "/",
            "",
            "/admin",
            "/.well-known/acme-challenge/x",
            "/.environment",
            "/.gitignored",
            "/auth/login",
            "/trading/order",
            "/favicon.ico",
            "/robots.txt",
            "/docs/index.html",
            "/wpa",
            "/index.php",
            "/wp-content/uploads/logo.png",
            "/%",
            "/%zz",
            "/%e",
            "/%ff%fe",
        ] {
            assert_eq!(trap(path), None, "{path}");
        }
    }

    #[test]
    fn no_route_of_ours_is_a_trap() {
        let document = serde_json::to_value(crate::openapi()).unwrap();
        for route in document["paths"].as_object().unwrap().keys() {
            assert_eq!(trap(route), None, "{route}");
        }
    }

    #[test]
    fn traps_are_written_as_paths_are_looked_up() {
        assert!(TRAPS.is_sorted());
        for path in TRAPS {
            assert_eq!(plain(path), *path);
        }
    }
}
