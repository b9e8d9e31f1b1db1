//! Where webhooks go and under which names, and the CRM's own service API.

use daybook_domain::endpoint::Vocabulary;

use super::url;
use crate::config::{CrmSettings, reader::Reader};

/// Where a CRM takes webhooks that knows the names of its own vocabulary alone.
const PATH: &str = "/api/webhooks/site";

pub fn settings(read: &mut Reader) -> CrmSettings {
    let base = url(read, "CRM_BASE_URL", &["http", "https"]);
    let path = read.parsed_with("CRM_WEBHOOK_PATH", |text| {
        let sound = text.starts_with('/') && !text.contains(char::is_whitespace);
        let path = sound.then(|| text.to_owned());
        path.ok_or_else(|| "must begin with /".to_owned())
    });
    let path = path.unwrap_or(PATH.to_owned());
    let choices = [
        ("crm", Vocabulary::Crm),
        ("site", Vocabulary::Site),
        ("both", Vocabulary::Both),
    ];
    let by_path = if path == PATH {
        Vocabulary::Crm
    } else {
        Vocabulary::Site
    };
    let called = read.flag("CRM_SERVICE_API", true);
    let vocabulary = read.choice("CRM_WEBHOOK_VOCABULARY", &choices);
    CrmSettings {
        url: base.as_ref().map(|base| format!("{base}{path}")),
        service_api: base.filter(|_| called),
        api_token: read.text("CRM_API_TOKEN").map(Into::into),
        vocabulary: vocabulary.unwrap_or(by_path),
        allow_private: read.flag("WEBHOOK_ALLOW_PRIVATE", false),
    }
}
