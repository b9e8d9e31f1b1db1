//! Mail.

use std::net::SocketAddr;

use daybook_mail::{Sender, SmtpUrl};

use super::url;
use crate::config::{MailSettings, reader::Reader};

pub fn in_use(read: &mut Reader, listen: SocketAddr) -> MailSettings {
    let app_url = url(read, "APP_URL", &["http", "https"]);
    MailSettings {
        // Its error never holds the text, and with it a password.
        smtp: read.parsed_with("SMTP_URL", |text| {
            SmtpUrl::parse(text).map_err(str::to_owned)
        }),
        from: read
            .parsed_with("MAIL_FROM", |text| {
                Sender::parse(text).map_err(str::to_owned)
            })
            .unwrap_or_default(),
        app_url: app_url.unwrap_or_else(|| crate::serve::local_url(listen)),
    }
}
