//! Mail.

use std::net::SocketAddr;

use daybook_mail::{Sender, SmtpUrl};

use crate::config::{MailSettings, reader::Reader};

pub fn in_use(read: &mut Reader, listen: SocketAddr) -> MailSettings {
    // Judged with the API's settings.
    let app_url = read.text("APP_URL");
    let app_url = app_url.map(|url| url.trim_end_matches('/').to_owned());
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::config;
    use crate::{
        config::{Config, ConfigErrors},
        scratch::Scratch,
    };

    fn with(pairs: &[(&str, &str)]) -> Result<Config, ConfigErrors> {
        let dir = Scratch::new();
        let path = dir.path().to_string_lossy().into_owned();
        let mut environment = BTreeMap::from([("DAYBOOK_DATA_DIR".to_owned(), path)]);
        for (name, value) in pairs {
            environment.insert((*name).to_owned(), (*value).to_owned());
        }
        config(environment)
    }

    #[test]
    fn without_a_server_mails_are_kept_and_links_lead_to_this_machine() {
        let mail = with(&[("PORT", "9000")]).unwrap().mail;
        assert!(mail.smtp.is_none());
        assert_eq!(mail.app_url, "http://127.0.0.1:9000");
        let default = daybook_mail::Sender::parse("Daybook <no-reply@localhost>");
        assert_eq!(mail.from, default.unwrap());
    }

    #[test]
    fn a_server_a_sender_and_a_site_can_be_given() {
        let pairs = [
            ("SMTP_URL", "smtps://user:hunter2@mail.example.com"),
            ("MAIL_FROM", "desk@example.com"),
            ("APP_URL", "https://trade.example.com/app/"),
        ];
        let config = with(&pairs).unwrap();
        assert!(config.mail.smtp.is_some());
        assert_eq!(config.mail.app_url, "https://trade.example.com/app");
        assert!(!format!("{config:?}").contains("hunter2"));
    }

    #[test]
    fn nonsense_is_told_without_the_password() {
        let pairs = [
            ("SMTP_URL", "http://user:hunter2@mail.example.com"),
            ("MAIL_FROM", "the desk"),
        ];
        let errors = with(&pairs).unwrap_err();
        let names: Vec<&str> = errors.0.iter().map(|error| error.name.as_str()).collect();
        assert_eq!(names, ["SMTP_URL", "MAIL_FROM"]);
        assert!(!errors.to_string().contains("hunter2"));
    }
}
